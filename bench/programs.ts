import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { BenchContext } from './measure.ts';

const root = join(import.meta.dirname, '..');

/**
 * Runs a program of this host to its end; false if it cannot be run. It is asked to end when the measurement is
 * cancelled.
 */
export async function runsToItsEnd(
  { home, signal }: Pick<BenchContext, 'home' | 'signal'>,
  argv: readonly string[],
): Promise<boolean> {
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    stdio: 'ignore',
    cwd: root,
    env: { ...process.env, NOVA_HOME: home },
    signal,
    killSignal: 'SIGTERM',
  });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  child.once('error', () => child.pid === undefined && resolve(false));
  child.once('exit', (code) => resolve(code === 0));
  return promise;
}
