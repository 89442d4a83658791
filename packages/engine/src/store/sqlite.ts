import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  everything,
  NovaError,
  parse,
  sandboxConfigSchema,
  within,
  type SandboxState,
  type Scope,
} from '@novasandbox/protocol';
import type { NewSandbox, SandboxChange, SandboxRecord, Store } from '../ports/store.ts';
import { isAlive, ownIdentity, type ProcessIdentity } from '../vmm/process-identity.ts';
import { openDatabase } from '../open-database.ts';
import { journalPages, reserved, withReserve } from './reserve.ts';
import { transactionsOf } from './transaction.ts';

/** What each version of the schema adds to the one before; written once and never changed. */
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
    SELECT sequence, id, name, state, json_set(record, '$.owner', NULL, '$.team', NULL) FROM sandboxes;
  DELETE FROM sqlite_sequence WHERE name = 'owned_sandboxes';
  INSERT INTO sqlite_sequence (name, seq) SELECT 'owned_sandboxes', seq FROM sqlite_sequence WHERE name = 'sandboxes';
  DROP TABLE sandboxes;
  ALTER TABLE owned_sandboxes RENAME TO sandboxes;
  CREATE INDEX sandboxes_by_state ON sandboxes (state);
  CREATE UNIQUE INDEX sandboxes_by_name ON sandboxes (name, ifnull(owner, ''));
`,
];

interface Row {
  readonly sequence: number;
  readonly id: string;
  readonly owner: string | null;
  readonly name: string | null;
  readonly record: string;
}

/** Of a sandbox that has not run. */
const noMachineYet = {
  startedAtMs: null,
  stoppedAtMs: null,
  expiresAtMs: null,
  pausedAtMs: null,
  bootTimeMs: null,
  bootKind: null,
  accelerator: null,
  machine: null,
  reason: null,
} as const;

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
  db.exec(
    `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = ${journalPages};`,
  );
  const statements = new Map<string, StatementSync>();
  /** Prepared once: parsing costs more than running. */
  const prepare = (sql: string): StatementSync => {
    const known = statements.get(sql) ?? db.prepare(sql);
    statements.set(sql, known);
    return known;
  };
  const transaction = transactionsOf(db);
  const version = (): number => Number(prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (version() < steps.length) {
    transaction(() => {
      // Another process may have done it meanwhile.
      const missing = steps.slice(version());
      if (missing.length > 0) db.exec(`${missing.join('')} PRAGMA user_version = ${steps.length};`);
    });
  }
  if (version() !== steps.length) {
    throw new NovaError(
      'set_up_failed',
      `${file} was written by another version of NovaSandbox (schema ${version()}).`,
      {
        hint: 'Use that version, or another NOVA_HOME.',
      },
    );
  }

  const select = (where: string, ...values: string[]): SandboxRecord[] =>
    (
      prepare(`SELECT sequence, id, owner, name, record FROM sandboxes WHERE ${where} ORDER BY sequence`).all(
        ...values,
      ) as unknown as Row[]
    ).map((row) => read(row) ?? damaged(row));
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
        const record = row === undefined ? null : read(row as unknown as Row);
        // A damaged one is left as it is: whoever mends it has all that there was.
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

/** Null where it is damaged. */
function read(row: Row): SandboxRecord | null {
  try {
    const record = JSON.parse(row.record) as SandboxRecord;
    return record.id === row.id && typeof record.config === 'object' ? { ...record, sequence: row.sequence } : null;
  } catch {
    return null;
  }
}

/** What is known of a sandbox whose record is damaged: enough to see it and to remove it. */
function damaged({ sequence, id, owner, name }: Row): SandboxRecord {
  return {
    ...noMachineYet,
    sequence,
    id,
    name,
    owner,
    team: owner,
    state: 'failed',
    config: parse(sandboxConfigSchema, {}, 'config'),
    hypervisor: 'qemu',
    memoryMb: 0,
    vcpus: 0,
    diskSizeMb: 0,
    createdAtMs: 0,
    maker: null,
    reason: 'its record is damaged: no more is known than its id and its name',
  };
}
