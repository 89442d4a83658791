import { closeSync, openSync, statSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

const pollMs = 150;

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when another process holds the lock. */
  readonly onWait?: () => void;
}

/**
 * Runs `work` while no other call, in this process or any other of the host, holds the lock of that path. The lock is
 * SQLite's, and so the kernel's: it is released when the process that holds it ends, however that happens, so there are
 * no stale locks to detect. The file stays behind, empty; whoever holds the lock may remove it as the last thing.
 */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  for (let waiting = false; ; waiting = true) {
    options.signal?.throwIfAborted();
    const taken = await take(path);
    if (taken !== null) {
      try {
        return await work();
      } finally {
        taken.close();
      }
    }
    if (!waiting) options.onWait?.();
    await delay(pollMs, undefined, { signal: options.signal });
  }
}

/** Runs `work` with the lock of that path unless somebody holds it. Returns whether nobody did. */
export async function withFreeLock(path: string, work: () => Promise<void>): Promise<boolean> {
  const taken = await take(path);
  if (taken === null) return false;
  try {
    await work();
  } finally {
    taken.close();
  }
  return true;
}

/** Removes the file of a lock that nobody holds. Returns whether nobody did. */
export const removeFreeLock = (path: string): Promise<boolean> => withFreeLock(path, () => rm(path, { force: true }));

/** The open file of the lock, which is held until it is closed. Null where somebody holds it. */
async function take(path: string): Promise<DatabaseSync | null> {
  await mkdir(dirname(path), { recursive: true });
  const { openDatabase } = await import('../open-database.ts');
  for (;;) {
    const before = markOf(path) ?? make(path);
    const database = openDatabase(path);
    try {
      database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
    } catch (error) {
      database.close();
      if (isBusy(error)) return null;
      throw error;
    }
    // A file that was removed meanwhile is no lock any more: whoever comes next makes another one.
    if (before !== null && before === markOf(path)) return database;
    database.close();
  }
}

/** Makes the file, unless another process has just made it. */
function make(path: string): string | null {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  return markOf(path);
}

/** Names a file as long as it is there, also among those that get its number later. */
function markOf(path: string): string | null {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? null : `${found.dev}:${found.ino}:${found.birthtimeNs}`;
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 5;
}
