import type { StatementSync } from 'node:sqlite';
import { z } from 'zod';
import { everything, NovaError, parse, within } from '@novasandbox/protocol';
import type { Store, VolumeRecord, VolumeUse } from '../ports/store.ts';
import { ownIdentity } from '../vmm/process-identity.ts';
import { parseJson } from './parse-json.ts';

/** The store's layout of volumes (see `steps` of sqlite.ts). */
export const volumeTables = `
  CREATE TABLE volumes (
    id TEXT PRIMARY KEY,
    owner TEXT,
    name TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX volumes_by_name ON volumes (name, ifnull(owner, ''));
  CREATE TABLE volume_uses (
    sandbox TEXT NOT NULL,
    position INTEGER NOT NULL,
    volume TEXT NOT NULL,
    read_only INTEGER NOT NULL,
    held INTEGER NOT NULL,
    PRIMARY KEY (sandbox, position)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX volume_uses_by_volume ON volume_uses (volume);
`;

const recordSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  owner: z.string().nullable(),
  team: z.string().nullable(),
  sizeMb: z.int(),
  createdAtMs: z.number(),
  maker: z.looseObject({ pid: z.int(), startTime: z.string() }).nullable(),
});

type Row = Readonly<Record<string, unknown>>;

const recordOf = (row: Row): VolumeRecord => parse(recordSchema, parseJson(String(row['record'])), 'record');
const useOf = (row: Row): VolumeUse => ({
  volumeId: String(row['volume']),
  sandboxId: String(row['sandbox']),
  position: Number(row['position']),
  readOnly: row['read_only'] === 1,
  held: row['held'] === 1,
});

export interface VolumeStore extends Pick<
  Store,
  | 'addVolume'
  | 'findVolume'
  | 'listVolumes'
  | 'changeVolume'
  | 'beginVolumeRemoval'
  | 'removeVolume'
  | 'takeVolumes'
  | 'volumesOf'
  | 'usesOf'
> {
  /** Ends what keeps others from the volumes of a sandbox, within the transaction that records its end. */
  readonly release: (sandboxId: string) => void;
  /** Forgets which volumes a sandbox had, within the transaction that removes it. */
  readonly forget: (sandboxId: string) => void;
}

/** The volumes of a store, and who has them. */
export function volumesIn(prepare: (sql: string) => StatementSync, transaction: <T>(work: () => T) => T): VolumeStore {
  const select = (where: string, ...values: string[]): VolumeRecord[] =>
    prepare(`SELECT record FROM volumes WHERE ${where} ORDER BY name, id`)
      .all(...values)
      .map(recordOf);
  const uses = (where: string, ...values: string[]): VolumeUse[] =>
    prepare(`SELECT * FROM volume_uses WHERE ${where} ORDER BY sandbox, position`)
      .all(...values)
      .map(useOf);
  const write = (record: VolumeRecord): void => {
    prepare('UPDATE volumes SET record = ? WHERE id = ?').run(JSON.stringify(record), record.id);
  };
  return {
    addVolume(volume) {
      transaction(() => {
        if (select('name = ?', volume.name).some(({ owner }) => owner === volume.owner))
          throw new NovaError('volume_exists', `A volume named "${volume.name}" exists already.`);
        prepare('INSERT INTO volumes (id, owner, name, record) VALUES (?, ?, ?, ?)').run(
          volume.id,
          volume.owner,
          volume.name,
          JSON.stringify(volume),
        );
      });
    },
    findVolume(ref, scope = everything) {
      const seen = (where: string, ...values: string[]): VolumeRecord[] =>
        select(where, ...values).filter((record) => within(scope, record));
      const [exact] = seen('id = ?', ref);
      if (exact !== undefined) return exact;
      const namesakes = seen('name = ?', ref);
      const own = scope.of === 'one' ? undefined : namesakes.find(({ owner }) => owner === scope.owner);
      if (own === undefined && namesakes.length > 1)
        throw new NovaError('conflict', `"${ref}" is the name of ${namesakes.length} volumes.`, {
          hint: 'Name the volume by its id.',
        });
      const named = own ?? namesakes[0];
      if (named !== undefined) return named;
      if (!/^[a-z0-9]{4,}$/.test(ref)) return null;
      const [first, second] = seen('id >= ? AND id < ?', ref, `${ref}~`);
      return second === undefined ? (first ?? null) : null;
    },
    listVolumes: () => select('1 = 1'),
    changeVolume(id, change) {
      return transaction(() => {
        const [record] = select('id = ?', id);
        if (record === undefined) return null;
        const changed = { ...record, ...change };
        write(changed);
        return changed;
      });
    },
    beginVolumeRemoval(id, keeps) {
      return transaction(() => {
        const inTheWay = uses('volume = ?', id).filter(keeps);
        const [record] = select('id = ?', id);
        if (inTheWay.length === 0 && record !== undefined) write({ ...record, maker: ownIdentity() });
        return inTheWay;
      });
    },
    removeVolume(id) {
      transaction(() => {
        prepare('DELETE FROM volume_uses WHERE volume = ?').run(id);
        prepare('DELETE FROM volumes WHERE id = ?').run(id);
      });
    },
    takeVolumes(sandboxId, wanted) {
      return transaction(() => {
        for (const { volumeId } of wanted) {
          const [record] = select('id = ?', volumeId);
          if (record === undefined || record.maker !== null)
            throw new NovaError('volume_not_found', `The volume ${record?.name ?? volumeId} has been removed.`);
        }
        const inTheWay = wanted.flatMap(({ volumeId, readOnly }) =>
          uses('volume = ? AND held = 1 AND sandbox <> ?', volumeId, sandboxId).filter(
            (use) => !(readOnly && use.readOnly),
          ),
        );
        if (inTheWay.length > 0) return inTheWay;
        prepare('DELETE FROM volume_uses WHERE sandbox = ?').run(sandboxId);
        wanted.forEach(({ volumeId, readOnly }, position) =>
          prepare('INSERT INTO volume_uses (sandbox, position, volume, read_only, held) VALUES (?, ?, ?, ?, 1)').run(
            sandboxId,
            position,
            volumeId,
            readOnly ? 1 : 0,
          ),
        );
        return [];
      });
    },
    volumesOf: (sandboxId) => uses('sandbox = ?', sandboxId),
    usesOf: (volumeId) => uses('volume = ?', volumeId),
    release(sandboxId) {
      prepare('UPDATE volume_uses SET held = 0 WHERE sandbox = ? AND held = 1').run(sandboxId);
    },
    forget(sandboxId) {
      prepare('DELETE FROM volume_uses WHERE sandbox = ?').run(sandboxId);
    },
  };
}
