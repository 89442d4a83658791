import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { assertNoLeaks } from './leaks.ts';
import { novaCommand, until } from './nova-cli.ts';
import { testHome, type TestHome } from './test-home.ts';

export interface DaemonUnderTest extends AsyncDisposable {
  readonly home: TestHome;
  readonly url: string;
  readonly apiKey: string;
  readonly pid: number;
  /** Ends the daemon, by its pid; sandboxes run on. Idempotent. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** `nova serve` as users start it, with a state folder of its own. Disposing searches the folder for leftovers. */
export async function daemonUnderTest(shared?: TestHome): Promise<DaemonUnderTest> {
  const home = shared ?? (await testHome());
  const env = { ...home.env, NOVA_API_KEY: '', NOVA_API_URL: '' };
  const child = spawn(novaCommand[0] ?? '', [...novaCommand.slice(1), 'serve', '--port', '0'], {
    env,
    stdio: ['ignore', 'pipe', process.env['NOVA_TEST_LOG'] === undefined ? 'ignore' : 'inherit'],
  });
  const ended = once(child, 'close');
  const said = await until(child.stdout, '(key in ');
  const url = /listens on (\S+)/.exec(said)?.[1] ?? '';
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await ended;
  };
  return {
    home,
    url,
    apiKey: readFileSync(home.layout.daemon.keyFile, 'utf8').trim(),
    pid: child.pid ?? 0,
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
      if (shared !== undefined) return;
      try {
        await assertNoLeaks(home.layout);
      } finally {
        await home[Symbol.asyncDispose]();
      }
    },
  };
}
