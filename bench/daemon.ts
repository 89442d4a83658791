import { readFile } from 'node:fs/promises';
import { createEngine, type Engine } from '@novasandbox/engine';
import { serve, serverConfigSchema } from '@novasandbox/server';
import { benchHome } from './home.ts';

export interface BenchDaemon extends AsyncDisposable {
  readonly url: string;
  readonly apiKey: string;
  /** The engine of the same sandboxes, without the daemon in between. */
  readonly engine: Engine;
}

/** Runs a daemon in this process, on a state folder that is removed with it. */
export async function benchDaemon(): Promise<BenchDaemon> {
  await using undo = new AsyncDisposableStack();
  const { home } = undo.use(await benchHome());
  const config = serverConfigSchema.parse({
    server: { port: 0, drain_seconds: 1 },
    monitoring: { log_level: 'silent' },
  });
  const daemon = undo.use(await serve(config, { home }));
  const engine = undo.use(await createEngine({ home }));
  const key = (await readFile(daemon.keyFile, 'utf8')).trim();
  const held = undo.move();
  return {
    url: daemon.url,
    apiKey: key.replace(/^nova_/, 'e2b_'),
    engine,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
