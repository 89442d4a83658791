import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { everything, NovaError, transitions, within, type SandboxState, type Scope } from '@novasandbox/protocol';
import type { NewSandbox, SandboxRecord, Store } from '../ports/store.ts';
import { isSameProcess, type ProcessIdentity } from '../ports/process-identity.ts';
import { isAlive, ownIdentity } from '../vmm/process-identity.ts';
import { openDatabase } from '../open-database.ts';
import { journalPages, reserved, withReserve } from './reserve.ts';
import { migrate, newerVersionHint } from './migrate.ts';
import { createRecordReader, noMachineYet, type SandboxRow } from './sandbox-record.ts';
import { networksIn, networkTables } from './networks.ts';
import { snapshotsIn, snapshotsTable } from './snapshots.ts';
import { policiesIn, policyTables } from './policies.ts';
import { volumesIn, volumeTables } from './volumes.ts';

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
  // Sandboxes have owners, and names are unique among those of one owner. Existing sandboxes belong to the host; their
  // running numbers continue.
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
  snapshotsTable,
  volumeTables,
  policyTables,
  networkTables,
];

/**
 * Opens or makes the store. Processes wait up to 10 s for each other. Where its disk is full it uses `reserve`, except
 * for new sandboxes.
 */
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
  // A look-up does not fill the disk, and the reserve is not meant for new sandboxes.
  return reserved(reserve, store, [
    'addSandbox',
    'takeFromPool',
    'findSandbox',
    'listSandboxes',
    'addSnapshot',
    'findSnapshot',
    'listSnapshots',
    'addVolume',
    'findVolume',
    'listVolumes',
    'takeVolumes',
    'volumesOf',
    'usesOf',
    'addPolicy',
    'findPolicy',
    'policyNamed',
    'listPolicies',
    'sandboxesUnder',
    'noteQuestion',
    'findApproval',
    'listApprovals',
    'addNetwork',
    'findNetwork',
    'listNetworks',
    'joinNetworks',
    'membershipsOf',
    'membersOf',
  ]);
}

function storeIn(db: DatabaseSync, file: string): Store {
  const statements = new Map<string, StatementSync>();
  /** Prepared once, because parsing costs more than running. */
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

  const { release, forget, ...volumes } = volumesIn(prepare, transaction);
  const { forgetApprovals, ...policies } = policiesIn(prepare, transaction);
  const { leaveAll, ...networks } = networksIn(prepare, transaction);
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
  /** Throws where another sandbox of the owner has the name. */
  const requireUnused = (name: string | null, { id, owner }: Pick<SandboxRecord, 'id' | 'owner'>): void => {
    const namesakes = name === null ? [] : select('name = ?', name);
    if (namesakes.some((each) => each.owner === owner && each.id !== id)) {
      throw new NovaError('sandbox_exists', `A sandbox named "${name}" exists already.`);
    }
  };

  const insert = (row: Omit<SandboxRecord, 'sequence'>): SandboxRecord => {
    const { lastInsertRowid } = prepare(
      'INSERT INTO sandboxes (id, owner, name, state, record) VALUES (?, ?, ?, ?, ?)',
    ).run(row.id, row.owner, row.name, row.state, '{}');
    const record = { ...row, sequence: Number(lastInsertRowid) };
    write(record);
    return record;
  };

  return {
    ...snapshotsIn(prepare, transaction),
    ...volumes,
    ...policies,
    ...networks,
    addSandbox(sandbox: NewSandbox) {
      return transaction(() => {
        requireUnused(sandbox.name, sandbox);
        return insert({ ...noMachineYet, ...sandbox, state: 'creating' });
      });
    },
    takeFromPool(shape, sandbox, beforehand) {
      return transaction(() => {
        const waiting = select("state = 'creating'").find(({ pool }) => pool?.ready === true && pool.shape === shape);
        if (waiting === undefined) return null;
        const { id, machine } = waiting;
        requireUnused(sandbox.name, { id, owner: sandbox.owner });
        beforehand?.(id);
        // A new row, because sandboxes are listed in the order in which they were asked for.
        prepare('DELETE FROM sandboxes WHERE id = ?').run(id);
        return { record: insert({ ...noMachineYet, ...sandbox, id, machine, state: 'creating' }), clone: waiting };
      });
    },
    withdrawFromPool(id) {
      return transaction(() => {
        const [record] = select('id = ?', id);
        if (record === undefined || record.pool === null) return null;
        write({ ...record, maker: ownIdentity(), pool: { ...record.pool, ready: false } });
        return record;
      });
    },
    findSandbox(ref, scope = everything) {
      const seen = (where: string, ...values: string[]): SandboxRecord[] =>
        select(where, ...values).filter((record) => record.pool === null && within(scope, record));
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
    changeSandbox(id, from, change, unchanged = {}) {
      requireTransitions(from, change.state);
      return transaction(() => {
        const row = prepare('SELECT sequence, id, owner, name, record FROM sandboxes WHERE id = ?').get(id);
        // A damaged record is left as it is, so that whoever repairs it has all the data.
        const record = row === undefined ? null : records.readWhole(row as unknown as SandboxRow);
        if (record === null || !from.includes(record.state)) return null;
        if (!isStill(record.machine, unchanged.machine) || !isStill(record.maker, unchanged.maker)) return null;
        if (change.name !== undefined) requireUnused(change.name, record);
        const changed = { ...record, ...change };
        write(changed);
        // Memory that is kept has the file systems of its volumes mounted.
        if (changed.state === 'stopped' || (changed.state === 'hibernated' && changed.sleep?.memory === false))
          release(id);
        return changed;
      });
    },
    removeSandbox(id) {
      transaction(() => {
        forget(id);
        forgetApprovals(id);
        leaveAll(id);
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
    flush() {
      // It syncs the journal before it copies from it.
      db.exec('PRAGMA wal_checkpoint(PASSIVE)');
    },
    [Symbol.dispose]() {
      db.close();
    },
  };
}

/** The sandbox that a name means: the caller's own comes first. */
function ofName(name: string, namesakes: readonly SandboxRecord[], scope: Scope): SandboxRecord | undefined {
  const own = scope.of === 'one' ? undefined : namesakes.find(({ owner }) => owner === scope.owner);
  if (own === undefined && namesakes.length > 1)
    throw new NovaError('conflict', `"${name}" is the name of ${namesakes.length} sandboxes.`, {
      hint: 'Name the sandbox by its id.',
    });
  return own ?? namesakes[0];
}

/** Throws where the table of transitions does not allow a change from each of these states. */
function requireTransitions(from: readonly SandboxState[], to: SandboxState | undefined): void {
  const wrong = from.find((state) => to !== undefined && to !== state && !transitions[state].includes(to));
  if (wrong !== undefined) throw new Error(`a sandbox that is ${wrong} cannot become ${to}`);
}

/** Whether the process is the one expected; where none is expected, any is. */
function isStill(actual: ProcessIdentity | null, expected: ProcessIdentity | null | undefined): boolean {
  return expected === undefined || isSameProcess(actual, expected);
}
