import { createEngine, type Engine, type Layout } from '@novasandbox/engine';
import type { Exit, SandboxConfigInput, SandboxInfo } from '@novasandbox/protocol';
import { assertNoLeaks } from './leaks.ts';
import { testHome, type TestHome } from './test-home.ts';

export interface EngineUnderTest extends AsyncDisposable {
  readonly engine: Engine;
  readonly layout: Layout;
  readonly home: TestHome;
}

/** An engine with a state folder of its own. Disposing removes its sandboxes and then searches for leftovers. */
export async function engineUnderTest(options: Parameters<typeof testHome>[0] = {}): Promise<EngineUnderTest> {
  const home = await testHome(options);
  const engine = await createEngine({ home: home.home });
  return {
    engine,
    layout: home.layout,
    home,
    [Symbol.asyncDispose]: async () => {
      try {
        for (const { id } of await engine.sandboxes.list({ all: true }))
          await engine.sandboxes.remove(id, { force: true });
        await engine.close();
        await assertNoLeaks(home.layout);
      } finally {
        await home[Symbol.asyncDispose]();
      }
    },
  };
}

export interface Ran {
  readonly exit: Exit;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a shell command as root to its end. */
export async function sh(
  engine: Engine,
  ref: string,
  script: string,
  options: { readonly user?: string; readonly timeoutMs?: number } = {},
): Promise<Ran> {
  const attached = await engine.exec.start(ref, {
    argv: ['/bin/sh', '-c', script],
    user: options.user ?? 'root',
    timeoutMs: options.timeoutMs,
  });
  const output = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[], pty: [] as Uint8Array[] };
  for await (const { channel, bytes } of attached.output) output[channel].push(bytes);
  const exit = await attached.exit;
  return { exit, stdout: Buffer.concat(output.stdout).toString(), stderr: Buffer.concat(output.stderr).toString() };
}

/** A sandbox removed at the end of its scope. */
export async function sandbox(engine: Engine, config: SandboxConfigInput = {}): Promise<SandboxInfo & AsyncDisposable> {
  const info = await engine.sandboxes.create(config);
  return { ...info, [Symbol.asyncDispose]: () => engine.sandboxes.remove(info.id, { force: true }) };
}
