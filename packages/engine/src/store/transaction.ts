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
      db.exec('ROLLBACK');
      throw error;
    }
  };
}
