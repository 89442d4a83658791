import { closeSync, openSync, renameSync, rmSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { NovaError } from '@novasandbox/protocol';
import { openDatabase } from '../open-database.ts';
import { transactionsOf } from './transaction.ts';

/** The hint for files of a state folder. */
export const newerVersionHint =
  'Use that version or a later one, or another NOVA_HOME. To go back, put in its place what `nova backup` or the upgrade kept of it (docs/daemon.md).';

export interface MigrateOptions {
  readonly file: string;
  /**
   * The SQL that makes each layout from the one before; the first step turns an empty file into layout 1. A released
   * step must give the same result for ever, because files of users have been through it.
   */
  readonly steps: readonly string[];
  /** Sets the connection up. It may write, so it runs only once the file is known not to be a newer version's. */
  readonly pragmas: string;
  /** Keeps the state before an upgrade in `<file>.layout-<number>`. */
  readonly keepCopy: boolean;
  /** The hint where a newer version has written the file. */
  readonly hint: string;
}

/**
 * Brings a database to the layout of this version: all missing steps in one transaction, done by one process while all
 * others wait. Returns a function that runs work as a transaction.
 *
 * @throws NovaError `set_up_failed` where a newer version has written the file, which is left as it is. A transaction
 * throws it too when a newer version has upgraded the file since, because an old process that goes on could damage data
 * that it does not know.
 */
export function migrate(db: DatabaseSync, options: MigrateOptions): <T>(work: () => T) => T {
  const { file, steps, pragmas, keepCopy, hint } = options;
  // Prepared once, because each transaction reads it.
  const pragma = db.prepare('PRAGMA user_version');
  const layout = (): number => {
    const found = Number(pragma.get()?.['user_version'] ?? 0);
    if (found >= 0 && found <= steps.length) return found;
    throw new NovaError(
      'set_up_failed',
      `${file} was written by a newer version of NovaSandbox (layout ${found}; this version knows ${steps.length}).`,
      { hint },
    );
  };
  layout();
  db.exec(pragmas);
  const transaction = transactionsOf(db);
  if (layout() < steps.length) {
    transaction(() => {
      // Another process may have upgraded it meanwhile.
      const found = layout();
      if (found === steps.length) return;
      if (found > 0 && keepCopy) copyDatabase(file, `${file}.layout-${found}`);
      db.exec(`${steps.slice(found).join('')} PRAGMA user_version = ${steps.length};`);
    });
  }
  return (work) =>
    transaction(() => {
      layout();
      return work();
    });
}

/**
 * Copies a database, as it is at one moment, to a file that only its owner may read, atomically. Others may keep using
 * the database, and the copy includes what they have written to its journal.
 */
export function copyDatabase(file: string, copy: string): void {
  const half = `${copy}.${process.pid}.new`;
  try {
    // SQLite keeps the mode of an existing empty file.
    closeSync(openSync(half, 'w', 0o600));
    const db = openDatabase(file, { timeout: 10_000 });
    try {
      db.prepare('VACUUM INTO ?').run(half);
    } finally {
      db.close();
    }
    renameSync(half, copy);
  } catch (error) {
    rmSync(half, { force: true });
    throw error;
  }
}
