import type { Engine } from '@novasandbox/engine';
import type { Exit, SandboxConfigInput, SandboxInfo } from '@novasandbox/protocol';

/** Creates a sandbox that is removed at the end of the scope. */
export async function sandbox(engine: Engine, config: SandboxConfigInput): Promise<SandboxInfo & AsyncDisposable> {
  const info = await engine.sandboxes.create(config);
  return { ...info, [Symbol.asyncDispose]: () => engine.sandboxes.remove(info.id, { force: true }) };
}

/**
 * Runs a command to its end and discards its output. Throws if the command fails, as the measurement would be wrong.
 */
export async function exec(engine: Engine, id: string, argv: readonly string[]): Promise<Exit> {
  const attached = await engine.exec.start(id, { argv });
  for await (const _ of attached.output);
  const exit = await attached.exit;
  if (exit.exitCode !== 0) throw new Error(`${argv.join(' ')} ended with ${exit.exitCode}`);
  return exit;
}
