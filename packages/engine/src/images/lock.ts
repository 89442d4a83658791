import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const pollMs = 150;

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when another process holds the lock. */
  readonly onWait?: () => void;
}

/**
 * Runs `work` while no other call, in this process or any other of the host, holds the lock of that path. The lock is SQLite's, hence the
 * kernel's: it goes away with the process that holds it however that ends, so nobody ever has to judge whether it is stale.
 * The file stays behind, empty.
 */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const { openDatabase } = await import('../open-database.ts');
  const database = openDatabase(path);
  try {
    database.exec('PRAGMA busy_timeout = 0');
    for (let waiting = false; ; waiting = true) {
      options.signal?.throwIfAborted();
      try {
        database.exec('BEGIN EXCLUSIVE');
        break;
      } catch (error) {
        if (!isBusy(error)) throw error;
      }
      if (!waiting) options.onWait?.();
      await delay(pollMs, undefined, { signal: options.signal });
    }
    return await work();
  } finally {
    database.close();
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 5;
}
