import type { UidHolder, UidRegistry } from '../ports/uid-registry.ts';
import { ownIdentity } from '../vmm/process-identity.ts';
import { openHostRegistry } from './host-registry.ts';

/** Layouts of the registry (see migrate). */
const steps = [
  `
  CREATE TABLE uids (
    uid INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    pid INTEGER NOT NULL,
    start_time TEXT NOT NULL
  ) STRICT;
  CREATE TABLE latest (uid INTEGER NOT NULL) STRICT;
  INSERT INTO latest VALUES (0);
`,
];

/** The user ids that VMMs may have: `count` of them, from `lowest`. */
export interface UidRange {
  readonly lowest: number;
  readonly count: number;
}

/** Opens or makes the registry of the user ids of this host's VMMs. */
export function openUidRegistry(file: string, { lowest, count }: UidRange): UidRegistry {
  const { db, transaction } = openHostRegistry(file, steps);

  const holderOf = (uid: number): UidHolder | null => {
    const row = db.prepare('SELECT kind, pid, start_time FROM uids WHERE uid = ?').get(uid);
    if (row === undefined) return null;
    return {
      kind: row['kind'] === 'vmm' ? 'vmm' : 'maker',
      pid: Number(row['pid']),
      startTime: String(row['start_time']),
    };
  };
  return {
    claim: (inUse) =>
      transaction(() => {
        const latest = Number(db.prepare('SELECT uid FROM latest').get()?.['uid'] ?? 0);
        // Another range may have been in use before. Then this begins within its own range.
        const from = latest >= lowest && latest < lowest + count ? latest - lowest + 1 : 0;
        for (let tried = 0; tried < count; tried++) {
          const uid = lowest + ((from + tried) % count);
          const holder = holderOf(uid);
          if (holder !== null && inUse(uid, holder)) continue;
          const { pid, startTime } = ownIdentity();
          db.prepare("INSERT OR REPLACE INTO uids VALUES (?, 'maker', ?, ?)").run(uid, pid, startTime);
          db.prepare('UPDATE latest SET uid = ?').run(uid);
          return uid;
        }
        return null;
      }),
    handTo(uid, { pid, startTime }) {
      db.prepare("UPDATE uids SET kind = 'vmm', pid = ?, start_time = ? WHERE uid = ?").run(pid, startTime, uid);
    },
    release(uid) {
      db.prepare('DELETE FROM uids WHERE uid = ?').run(uid);
    },
    [Symbol.dispose]() {
      db.close();
    },
  };
}
