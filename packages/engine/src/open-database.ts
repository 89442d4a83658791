import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/**
 * Opens or makes a database that only its owner may open. Some hold secrets of sandboxes, and anyone who can read one
 * can hold a lock of it. SQLite gives the files that it puts beside it the same mode.
 * @param options.timeout how long a call waits for a lock that others hold before it fails, ms; default: not at all
 */
export function openDatabase(file: string, options: { readonly timeout?: number } = {}): DatabaseSync {
  // An existing database is not opened here: closing any descriptor of it would drop the locks that this process holds
  // through others.
  if (!makeOwn(file)) for (const name of ['', '-wal', '-shm', '-journal']) keepToOwner(`${file}${name}`);
  return new DatabaseSync(file, options);
}

/** False where the file exists already. */
function makeOwn(file: string): boolean {
  try {
    closeSync(openSync(file, 'wx', 0o600));
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

function keepToOwner(file: string): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined || (found.mode & 0o077) === 0 || found.uid !== process.geteuid?.()) return;
  try {
    chmodSync(file, 0o600);
  } catch (error) {
    // A process that has just closed the database may have removed this file.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}
