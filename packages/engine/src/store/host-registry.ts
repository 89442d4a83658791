import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { NovaError } from '@novasandbox/protocol';
import { openDatabase } from '../open-database.ts';
import { transactionsOf } from './transaction.ts';

/** Of every registry below /run: a host has one version of NovaSandbox's until it is started anew. */
const schemaVersion = 1;

/**
 * Opens or makes a database about the whole host, which all state folders share. It is gone after a crash of the host, so nothing needs to reach a
 * disk. Throws `set_up_failed` where another version has made it.
 */
export function openHostRegistry(
  file: string,
  schema: string,
): { readonly db: DatabaseSync; readonly transaction: <T>(work: () => T) => T } {
  mkdirSync(dirname(file), { recursive: true, mode: 0o711 });
  const db = openDatabase(file, { timeout: 10_000 });
  db.exec('PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON;');
  const transaction = transactionsOf(db);
  const version = (): number => Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (version() === 0) {
    transaction(() => {
      if (version() === 0) db.exec(`${schema} PRAGMA user_version = ${schemaVersion};`);
    });
  }
  const found = version();
  if (found === schemaVersion) return { db, transaction };
  db.close();
  throw new NovaError('set_up_failed', `${file} was written by another version of NovaSandbox (schema ${found}).`, {
    hint: 'End the sandboxes of that version, then remove the file.',
  });
}
