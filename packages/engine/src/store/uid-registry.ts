import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { openDatabase } from '../open-database.ts';
import type { UidHolder, UidRegistry } from '../ports/uid-registry.ts';
import { ownIdentity } from '../vmm/process-identity.ts';
import { transactionsOf } from './transaction.ts';

const schemaVersion = 1;
const schema = `
  CREATE TABLE uids (
    uid INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    pid INTEGER NOT NULL,
    start_time TEXT NOT NULL
  ) STRICT;
  CREATE TABLE latest (uid INTEGER NOT NULL) STRICT;
  INSERT INTO latest VALUES (0);
`;

/** The user ids that VMMs may have: `count` of them, from `lowest`. */
export interface UidRange {
  readonly lowest: number;
  readonly count: number;
}

/** Opens or makes the registry of the user ids of this host's VMMs. */
export function openUidRegistry(file: string, { lowest, count }: UidRange): UidRegistry {
  mkdirSync(dirname(file), { recursive: true, mode: 0o711 });
  const db = openDatabase(file, { timeout: 10_000 });
  // It is gone after a crash of the host, so nothing needs to reach a disk.
  db.exec('PRAGMA synchronous = OFF');
  const transaction = transactionsOf(db);
  const version = (): number => Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (version() === 0) {
    transaction(() => {
      if (version() === 0) db.exec(`${schema} PRAGMA user_version = ${schemaVersion};`);
    });
  }
  if (version() !== schemaVersion) {
    const found = version();
    db.close();
    throw new NovaError('set_up_failed', `${file} was written by another version of NovaSandbox (schema ${found}).`, {
      hint: 'End the sandboxes of that version, then remove the file.',
    });
  }

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
        // Another range may have been in use: whatever it was, this begins within its own.
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
