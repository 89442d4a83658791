import type { StatementSync } from 'node:sqlite';
import { everything, NovaError, within } from '@novasandbox/protocol';
import type { SnapshotRecord, Store } from '../ports/store.ts';
import { parseSnapshotRecord, readSnapshotRow, type SnapshotRow } from './snapshot-record.ts';
import type { Transaction } from './transaction.ts';

/** The table of snapshots (a step of the store's layout). */
export const snapshotsTable = `
  CREATE TABLE snapshots (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT,
    name TEXT,
    sandbox TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX snapshots_by_name ON snapshots (sandbox, name);
`;

type Snapshots = Pick<Store, 'addSnapshot' | 'parseSnapshot' | 'findSnapshot' | 'listSnapshots' | 'removeSnapshot'>;

/** The part of the store that holds snapshots. */
export function snapshotsIn(prepare: (sql: string) => StatementSync, transaction: Transaction): Snapshots {
  const select = (where: string, ...values: string[]): SnapshotRecord[] =>
    (
      prepare(`SELECT sequence, record FROM snapshots WHERE ${where} ORDER BY sequence`).all(
        ...values,
      ) as unknown as SnapshotRow[]
    ).flatMap((row) => readSnapshotRow(row) ?? []);
  const write = (record: SnapshotRecord): void => {
    prepare('UPDATE snapshots SET record = ? WHERE sequence = ?').run(JSON.stringify(record), record.sequence);
  };
  return {
    addSnapshot(snapshot) {
      return transaction(() => {
        const { id, owner, name, sandboxId } = snapshot;
        if (name !== null && select('sandbox = ? AND name = ?', sandboxId, name).length > 0)
          throw new NovaError('conflict', `The sandbox has a snapshot named "${name}" already.`, {
            hint: 'Choose another name, or remove the snapshot that has it.',
          });
        const { lastInsertRowid } = prepare(
          "INSERT INTO snapshots (id, owner, name, sandbox, record) VALUES (?, ?, ?, ?, '{}')",
        ).run(id, owner, name, sandboxId);
        const record = { ...snapshot, sequence: Number(lastInsertRowid) };
        write(record);
        return record;
      });
    },
    findSnapshot(ref, scope = everything, of) {
      const seen = (where: string, ...values: string[]): SnapshotRecord[] =>
        select(where, ...values).filter(
          (record) => within(scope, record) && (of === undefined || record.sandboxId === of),
        );
      const [exact] = seen('id = ?', ref);
      if (exact !== undefined) return exact;
      const [named, namesake] = seen('name = ?', ref);
      if (namesake !== undefined)
        throw new NovaError('conflict', `"${ref}" is the name of snapshots of several sandboxes.`, {
          hint: 'Name the snapshot by its id.',
        });
      if (named !== undefined) return named;
      if (!/^snap[a-z0-9]{4,}$/.test(ref)) return null;
      const [first, second] = seen('id >= ? AND id < ?', ref, `${ref}~`);
      return second === undefined ? (first ?? null) : null;
    },
    parseSnapshot: parseSnapshotRecord,
    listSnapshots: () => select('1 = 1'),
    removeSnapshot(id) {
      prepare('DELETE FROM snapshots WHERE id = ?').run(id);
    },
  };
}
