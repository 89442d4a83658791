import type { Engine } from '@novasandbox/engine';
import type { Exit, SandboxConfigInput, SandboxInfo } from '@novasandbox/protocol';

/** A sandbox that goes with the scope it is made in. */
export async function sandbox(engine: Engine, config: SandboxConfigInput): Promise<SandboxInfo & AsyncDisposable> {
  const info = await engine.sandboxes.create(config);
  return { ...info, [Symbol.asyncDispose]: () => engine.sandboxes.remove(info.id, { force: true }) };
}

/** Runs a command to its end, output thrown away. A command that fails is a broken measurement. */
export async function exec(engine: Engine, id: string, argv: readonly string[]): Promise<Exit> {
  const attached = await engine.exec.start(id, { argv });
  for await (const _ of attached.output);
  const exit = await attached.exit;
  if (exit.exitCode !== 0) throw new Error(`${argv.join(' ')} ended with ${exit.exitCode}`);
  return exit;
}
