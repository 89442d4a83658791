import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { openDatabase } from '../open-database.ts';
import { migrate } from './migrate.ts';

/**
 * Opens or makes a database about the whole host, which all state folders share. It is gone after a crash of the host,
 * so nothing needs to be durable. Throws `set_up_failed` where a newer version has made it.
 */
export function openHostRegistry(
  file: string,
  steps: readonly string[],
): { readonly db: DatabaseSync; readonly transaction: <T>(work: () => T) => T } {
  mkdirSync(dirname(file), { recursive: true, mode: 0o711 });
  const db = openDatabase(file, { timeout: 10_000 });
  try {
    const transaction = migrate(db, {
      file,
      steps,
      pragmas: 'PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON;',
      keepCopy: false,
      hint: 'End the sandboxes of that version, then remove the file.',
    });
    return { db, transaction };
  } catch (error) {
    db.close();
    throw error;
  }
}
