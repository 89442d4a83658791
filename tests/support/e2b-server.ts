import { readFile } from 'node:fs/promises';
import { createEngine, type Engine } from '@novasandbox/engine';
import { serve, serverConfigSchema, type ServerConfigInput } from '@novasandbox/server';
import { pino } from 'pino';
import { assertNoLeaks } from './leaks.ts';
import { testHome, type TestHome } from './test-home.ts';

export interface E2bUnderTest extends AsyncDisposable {
  readonly home: TestHome;
  /** To inspect the state behind the server. */
  readonly engine: Engine;
  readonly url: string;
  /** Options that point a client at the server. */
  readonly options: { readonly apiKey: string; readonly apiUrl: string; readonly sandboxUrl: string };
}

/** The daemon on a state folder of its own. Disposing removes its sandboxes and then searches for leftovers. */
export async function e2bUnderTest(config: ServerConfigInput = {}): Promise<E2bUnderTest> {
  const home = await testHome();
  const engine = await createEngine({ home: home.home });
  // The first sandbox must not have to wait for it, because clients give up sooner.
  await engine.templates.build('base');
  const settings = serverConfigSchema.parse({
    pool: { size: 0 },
    ...config,
    server: { port: 0, ...config.server },
  });
  const daemon = await serve(settings, {
    home: home.home,
    log: pino({ level: process.env['NOVA_TEST_LOG'] ?? 'silent' }),
  });
  const key = (await readFile(daemon.keyFile, 'utf8')).trim();
  return {
    home,
    engine,
    url: daemon.url,
    options: { apiKey: key.replace(/^nova_/, 'e2b_'), apiUrl: daemon.url, sandboxUrl: daemon.url },
    [Symbol.asyncDispose]: async () => {
      try {
        for (const { id } of await engine.sandboxes.list({ all: true }))
          await engine.sandboxes.remove(id, { force: true });
        await daemon.close();
        await engine.close();
        await assertNoLeaks(home.layout);
      } finally {
        await home[Symbol.asyncDispose]();
      }
    },
  };
}
