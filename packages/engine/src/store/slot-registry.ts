import { NovaError } from '@novasandbox/protocol';
import type { PortForward } from '../ports/network.ts';
import type { SlotOwner, SlotRecord, SlotRegistry, SlotState } from '../ports/slot-registry.ts';
import { ownIdentity } from '../vmm/process-identity.ts';
import { openHostRegistry } from './host-registry.ts';

/** Layouts of the registry (see migrate). */
const steps = [
  `
  CREATE TABLE slots (
    number INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    pid INTEGER NOT NULL,
    start_time TEXT NOT NULL,
    home TEXT,
    sandbox TEXT,
    UNIQUE (home, sandbox)
  ) STRICT;
  CREATE TABLE forwards (
    host_port INTEGER PRIMARY KEY,
    guest_port INTEGER NOT NULL,
    slot INTEGER NOT NULL REFERENCES slots (number) ON DELETE CASCADE
  ) STRICT;
  CREATE INDEX forwards_by_slot ON forwards (slot);
  CREATE TABLE forwarding (interface TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE latest (number INTEGER NOT NULL) STRICT;
  INSERT INTO latest VALUES (0);
`,
];

type Row = Readonly<Record<string, unknown>>;

/** A damaged state counts as being taken down: then nobody takes the slot, and it blocks nobody. */
const stateOf = (stored: unknown): SlotState =>
  stored === 'making' || stored === 'ready' || stored === 'held' ? stored : 'going';

const ownerOf = ({ home, sandbox }: Row): SlotOwner | null =>
  typeof home === 'string' && typeof sandbox === 'string' ? { home, sandbox } : null;

/** Opens or makes the registry of this host's slots, numbered 1 to `count`. */
export function openSlotRegistry(file: string, count: number): SlotRegistry {
  const { db, transaction } = openHostRegistry(file, steps);

  const read = (row: Row): SlotRecord => ({
    number: Number(row['number']),
    state: stateOf(row['state']),
    holder: { pid: Number(row['pid']), startTime: String(row['start_time']) },
    owner: ownerOf(row),
    forwards: db
      .prepare('SELECT host_port, guest_port FROM forwards WHERE slot = ? ORDER BY host_port')
      .all(Number(row['number']))
      .map((forward) => ({ hostPort: Number(forward['host_port']), guestPort: Number(forward['guest_port']) })),
  });
  const one = (where: string, ...values: (string | number)[]): SlotRecord | null => {
    const row = db.prepare(`SELECT * FROM slots WHERE ${where}`).get(...values);
    return row === undefined ? null : read(row);
  };
  const forward = (number: number, forwards: readonly PortForward[]): void => {
    for (const { hostPort, guestPort } of forwards) {
      const taken = db.prepare('SELECT 1 FROM forwards WHERE host_port = ?').get(hostPort);
      // The message does not name the other sandbox, which may belong to somebody else.
      if (taken !== undefined)
        throw new NovaError('port_in_use', `hostPort: ${hostPort} leads to another sandbox already.`);
      db.prepare('INSERT INTO forwards VALUES (?, ?, ?)').run(hostPort, guestPort, number);
    }
  };
  /**
   * The number after the one given last. An address is then reused only when the peers of its last holder have long
   * given up.
   */
  const nextNumber = (): number | null => {
    const used = new Set(
      db
        .prepare('SELECT number FROM slots')
        .all()
        .map((row) => Number(row['number'])),
    );
    if (used.size >= count) return null;
    let number = Number(db.prepare('SELECT number FROM latest').get()?.['number'] ?? 0);
    do number = (number % count) + 1;
    while (used.has(number));
    db.prepare('UPDATE latest SET number = ?').run(number);
    return number;
  };

  return {
    reserve(owner, forwards) {
      return transaction(() => {
        const number = nextNumber();
        if (number === null) return null;
        const { pid, startTime } = ownIdentity();
        db.prepare('INSERT INTO slots VALUES (?, ?, ?, ?, ?, ?)').run(
          number,
          'making',
          pid,
          startTime,
          owner?.home ?? null,
          owner?.sandbox ?? null,
        );
        forward(number, forwards);
        return one('number = ?', number);
      });
    },
    takeReady(owner, forwards) {
      return transaction(() => {
        const ready = one("state = 'ready' ORDER BY number LIMIT 1");
        if (ready === null) return null;
        const { pid, startTime } = ownIdentity();
        db.prepare(
          "UPDATE slots SET state = 'held', pid = ?, start_time = ?, home = ?, sandbox = ? WHERE number = ?",
        ).run(pid, startTime, owner.home, owner.sandbox, ready.number);
        forward(ready.number, forwards);
        return one('number = ?', ready.number);
      });
    },
    made(number) {
      db.prepare("UPDATE slots SET state = iif(home IS NULL, 'ready', 'held') WHERE number = ?").run(number);
    },
    handTo({ home, sandbox }: SlotOwner, { pid, startTime }) {
      db.prepare("UPDATE slots SET pid = ?, start_time = ? WHERE home = ? AND sandbox = ? AND state = 'held'").run(
        pid,
        startTime,
        home,
        sandbox,
      );
    },
    find: ({ home, sandbox }) => one('home = ? AND sandbox = ?', home, sandbox),
    list: () => db.prepare('SELECT * FROM slots ORDER BY number').all().map(read),
    startRemoval({ number, state, holder }) {
      const { pid, startTime } = ownIdentity();
      const { changes } = db
        .prepare(
          "UPDATE slots SET state = 'going', pid = ?, start_time = ? WHERE number = ? AND state = ? AND pid = ? AND start_time = ?",
        )
        .run(pid, startTime, number, state, holder.pid, holder.startTime);
      return Number(changes) === 1;
    },
    remove(number, whenLast) {
      transaction(() => {
        db.prepare('DELETE FROM slots WHERE number = ?').run(number);
        if (one('1 = 1 LIMIT 1') === null) whenLast();
      });
    },
    adopt(number, { pid, startTime }) {
      db.prepare("INSERT OR IGNORE INTO slots VALUES (?, 'held', ?, ?, NULL, NULL)").run(number, pid, startTime);
    },
    locked: transaction,
    forwardingInterfaces: () =>
      db
        .prepare('SELECT interface FROM forwarding')
        .all()
        .map((row) => String(row['interface'])),
    setForwardingInterfaces(names) {
      db.exec('DELETE FROM forwarding');
      for (const name of names) db.prepare('INSERT INTO forwarding VALUES (?)').run(name);
    },
    [Symbol.dispose]() {
      db.close();
    },
  };
}
