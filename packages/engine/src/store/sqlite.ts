import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { everything, NovaError, within, type SandboxState, type Scope } from '@novasandbox/protocol';
import type { NewSandbox, SandboxChange, SandboxRecord, Store } from '../ports/store.ts';
import { isAlive, ownIdentity, type ProcessIdentity } from '../vmm/process-identity.ts';
import { openDatabase } from '../open-database.ts';
import { journalPages, reserved, withReserve } from './reserve.ts';
import { migrate, newerVersionHint } from './migrate.ts';
import { createRecordReader, noMachineYet, type SandboxRow } from './sandbox-record.ts';

/** Layouts of the store (see migrate). */
const steps = [
  `
  CREATE TABLE sandboxes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT UNIQUE,
    state TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX sandboxes_by_state ON sandboxes (state);
  CREATE TABLE leases (
    thing TEXT NOT NULL,
    number INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    start_time TEXT NOT NULL,
    PRIMARY KEY (thing, number)
  ) STRICT, WITHOUT ROWID;
`,
  // Sandboxes have owners, and names are unique among those of one owner. Existing ones belong to the host; running
  // numbers go on.
  `
  CREATE TABLE owned_sandboxes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT,
    name TEXT,
    state TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  INSERT INTO owned_sandboxes (sequence, id, name, state, record)
    SELECT sequence, id, name, state, iif(json_valid(record), json_set(record, '$.owner', NULL, '$.team', NULL), record)
    FROM sandboxes;
  DELETE FROM sqlite_sequence WHERE name = 'owned_sandboxes';
  INSERT INTO sqlite_sequence (name, seq) SELECT 'owned_sandboxes', seq FROM sqlite_sequence WHERE name = 'sandboxes';
  DROP TABLE sandboxes;
  ALTER TABLE owned_sandboxes RENAME TO sandboxes;
  CREATE INDEX sandboxes_by_state ON sandboxes (state);
  CREATE UNIQUE INDEX sandboxes_by_name ON sandboxes (name, ifnull(owner, ''));
`,
];

/** Opens or makes the store. Processes wait up to 10 s for each other. Where its disk is full it takes `reserve`, except for new sandboxes. */
export function openSqliteStore(file: string, reserve: string): Store {
  const store = withReserve(reserve, () => {
    const db = openDatabase(file, { timeout: 10_000 });
    try {
      return storeIn(db, file);
    } catch (error) {
      db.close();
      throw error;
    }
  });
  return reserved(reserve, store, ['addSandbox']);
}

function storeIn(db: DatabaseSync, file: string): Store {
  const statements = new Map<string, StatementSync>();
  /** Prepared once: parsing costs more than running. */
  const prepare = (sql: string): StatementSync => {
    const known = statements.get(sql) ?? db.prepare(sql);
    statements.set(sql, known);
    return known;
  };
  const transaction = migrate(db, {
    file,
    steps,
    pragmas: `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = ${journalPages};`,
    keepCopy: true,
    hint: newerVersionHint,
  });

  const records = createRecordReader();
  const select = (where: string, ...values: string[]): SandboxRecord[] =>
    (
      prepare(`SELECT sequence, id, owner, name, record FROM sandboxes WHERE ${where} ORDER BY sequence`).all(
        ...values,
      ) as unknown as SandboxRow[]
    ).map((row) => records.read(row));
  const write = (record: SandboxRecord): void => {
    prepare('UPDATE sandboxes SET name = ?, state = ?, record = ? WHERE sequence = ?').run(
      record.name,
      record.state,
      JSON.stringify(record),
      record.sequence,
    );
  };

  return {
    addSandbox(sandbox: NewSandbox) {
      return transaction(() => {
        const namesakes = sandbox.name === null ? [] : select('name = ?', sandbox.name);
        if (namesakes.some(({ owner }) => owner === sandbox.owner)) {
          throw new NovaError('sandbox_exists', `A sandbox named "${sandbox.name}" exists already.`);
        }
        const row: Omit<SandboxRecord, 'sequence'> = { ...noMachineYet, ...sandbox, state: 'creating' };
        const { lastInsertRowid } = prepare(
          'INSERT INTO sandboxes (id, owner, name, state, record) VALUES (?, ?, ?, ?, ?)',
        ).run(row.id, row.owner, row.name, row.state, '{}');
        const record = { ...row, sequence: Number(lastInsertRowid) };
        write(record);
        return record;
      });
    },
    findSandbox(ref, scope = everything) {
      const seen = (where: string, ...values: string[]): SandboxRecord[] =>
        select(where, ...values).filter((record) => within(scope, record));
      const exact = seen('id = ?', ref)[0] ?? ofName(ref, seen('name = ?', ref), scope);
      if (exact !== undefined) return exact;
      if (!/^[a-z0-9]{4,}$/.test(ref)) return null;
      const [first, second] = seen('id >= ? AND id < ?', ref, `${ref}~`);
      return second === undefined ? (first ?? null) : null;
    },
    listSandboxes(states?: readonly SandboxState[]) {
      if (states === undefined) return select('1 = 1');
      return select(`state IN (${states.map(() => '?').join(', ')})`, ...states);
    },
    changeSandbox(id, from, change: SandboxChange, machine) {
      return transaction(() => {
        const row = prepare('SELECT sequence, id, owner, name, record FROM sandboxes WHERE id = ?').get(id);
        // A damaged one is left as it is: whoever mends it has all that there was.
        const record = row === undefined ? null : records.readWhole(row as unknown as SandboxRow);
        if (record === null || !from.includes(record.state)) return null;
        if (machine !== undefined && !sameProcess(record.machine, machine)) return null;
        const changed = { ...record, ...change };
        write(changed);
        return changed;
      });
    },
    removeSandbox(id) {
      transaction(() => {
        prepare('DELETE FROM sandboxes WHERE id = ?').run(id);
        prepare('DELETE FROM leases WHERE thing = ?').run(id);
      });
    },
    takeLease(thing, count) {
      return transaction(() => {
        const held = new Set<number>();
        const rows = prepare('SELECT number, pid, start_time FROM leases WHERE thing = ?').all(thing);
        for (const row of rows) {
          if (isAlive({ pid: Number(row['pid']), startTime: String(row['start_time']) }))
            held.add(Number(row['number']));
        }
        for (let number = 0; number < count; number++) {
          if (held.has(number)) continue;
          const { pid, startTime } = ownIdentity();
          prepare('INSERT OR REPLACE INTO leases (thing, number, pid, start_time) VALUES (?, ?, ?, ?)').run(
            thing,
            number,
            pid,
            startTime,
          );
          return number;
        }
        return null;
      });
    },
    releaseLease(thing, number) {
      const { pid, startTime } = ownIdentity();
      prepare('DELETE FROM leases WHERE thing = ? AND number = ? AND pid = ? AND start_time = ?').run(
        thing,
        number,
        pid,
        startTime,
      );
    },
    [Symbol.dispose]() {
      db.close();
    },
  };
}

/** The one of that name that is meant: the caller's own comes first. */
function ofName(name: string, namesakes: readonly SandboxRecord[], scope: Scope): SandboxRecord | undefined {
  const own = scope.of === 'one' ? undefined : namesakes.find(({ owner }) => owner === scope.owner);
  if (own === undefined && namesakes.length > 1)
    throw new NovaError('conflict', `"${name}" is the name of ${namesakes.length} sandboxes.`, {
      hint: 'Name the one that is meant by its id.',
    });
  return own ?? namesakes[0];
}

function sameProcess(one: ProcessIdentity | null, other: ProcessIdentity | null): boolean {
  return one?.pid === other?.pid && one?.startTime === other?.startTime;
}
