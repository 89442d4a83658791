import type { DatabaseSync } from 'node:sqlite';

export type Transaction = <T>(work: () => T) => T;

/**
 * Runs work on a database atomically. It is locked for writing from the start, so that what the work has read cannot
 * change before it writes.
 */
export function transactionsOf(db: DatabaseSync): Transaction {
  return (work) => {
    db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      db.exec('COMMIT');
      return result;
    } catch (error) {
      // After some errors, such as a full disk, SQLite has already rolled back. The first error is the one thrown.
      if (db.isTransaction) rollBack(db);
      throw error;
    }
  };
}

function rollBack(db: DatabaseSync): void {
  try {
    db.exec('ROLLBACK');
  } catch {
    // The transaction ends with its connection.
  }
}
