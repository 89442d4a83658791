import type { DatabaseSync } from 'node:sqlite';

/** Runs work on a database as a whole or not at all. Locked for writing from the start: what it has read cannot change before it writes. */
export function transactionsOf(db: DatabaseSync): <T>(work: () => T) => T {
  return (work) => {
    db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      db.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite has rolled back by itself after some errors, such as a full disk. What is told is what went wrong first.
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
