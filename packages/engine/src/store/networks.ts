import type { StatementSync } from 'node:sqlite';
import { z } from 'zod';
import {
  addressText,
  everything,
  isolationSchema,
  NovaError,
  overlap,
  parse,
  subnetOf,
  within,
} from '@novasandbox/protocol';
import type { Subnet } from '@novasandbox/protocol';
import type { NetworkMembership, NetworkRecord, Store } from '../ports/store.ts';
import { parseJson } from './parse-json.ts';

/** The store's layout of private networks (see `steps` of sqlite.ts). */
export const networkTables = `
  CREATE TABLE networks (
    id TEXT PRIMARY KEY,
    owner TEXT,
    name TEXT NOT NULL,
    record TEXT NOT NULL,
    latest INTEGER NOT NULL DEFAULT 1
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX networks_by_name ON networks (name, ifnull(owner, ''));
  CREATE TABLE network_members (
    network TEXT NOT NULL,
    sandbox TEXT NOT NULL,
    position INTEGER NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (network, sandbox)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX network_members_by_place ON network_members (network, place);
  CREATE INDEX network_members_by_sandbox ON network_members (sandbox, position);
`;

const recordSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  owner: z.string().nullable(),
  team: z.string().nullable(),
  subnet: z.string(),
  isolation: isolationSchema,
  bridge: z.string(),
  createdAtMs: z.number(),
});

type Row = Readonly<Record<string, unknown>>;

const recordOf = (row: Row): NetworkRecord => parse(recordSchema, parseJson(String(row['record'])), 'record');

function rangeOf({ name, subnet }: Pick<NetworkRecord, 'name' | 'subnet'>): Subnet {
  const range = subnetOf(subnet);
  if (range === null) throw new Error(`the record of the network ${name} has no subnet: ${subnet}`);
  return range;
}

/** Where networks get their subnets from that ask for none: 10.128.0.0/9, in pieces of /24. */
const pool = { first: 10 * 2 ** 24 + 128 * 2 ** 16, pieces: 2 ** 15, size: 256 } as const;

/** The first place in a subnet that a member gets. The ones before are the subnet itself and that of a router. */
const firstPlace = 2;

export interface NetworkStore extends Pick<
  Store,
  | 'addNetwork'
  | 'findNetwork'
  | 'listNetworks'
  | 'changeNetwork'
  | 'removeNetwork'
  | 'joinNetworks'
  | 'membershipsOf'
  | 'membersOf'
> {
  /** Ends the memberships of a sandbox, within the transaction that removes it. */
  readonly leaveAll: (sandboxId: string) => void;
}

/** The private networks of a store, and their members. */
export function networksIn(
  prepare: (sql: string) => StatementSync,
  transaction: <T>(work: () => T) => T,
): NetworkStore {
  const select = (where: string, ...values: string[]): NetworkRecord[] =>
    prepare(`SELECT record FROM networks WHERE ${where} ORDER BY name, id`)
      .all(...values)
      .map(recordOf);
  const memberships = (where: string, order: string, ...values: string[]): NetworkMembership[] =>
    prepare(
      `SELECT sandbox, place, record FROM network_members JOIN networks ON id = network WHERE ${where} ORDER BY ${order}`,
    )
      .all(...values)
      .map((row) => {
        const network = recordOf(row);
        const address = addressText(rangeOf(network).first + Number(row['place']));
        return { network, sandboxId: String(row['sandbox']), address };
      });
  const freeSubnet = (taken: readonly Subnet[]): string => {
    for (let piece = 0; piece < pool.pieces; piece += 1) {
      const first = pool.first + piece * pool.size;
      const one: Subnet = { first, prefix: 24, size: pool.size };
      if (!taken.some((other) => overlap(one, other))) return `${addressText(first)}/24`;
    }
    throw new NovaError('host_resource_exhausted', 'All subnets for private networks are in use.', {
      hint: 'Name one with `--subnet`, or remove networks that nobody needs.',
    });
  };
  /** The place after the one given last, so that an address is reused only when its last holder is long gone. */
  const nextPlace = ({ id, name, subnet }: NetworkRecord): number => {
    const used = new Set(
      prepare('SELECT place FROM network_members WHERE network = ?')
        .all(id)
        .map((row) => Number(row['place'])),
    );
    const { size } = rangeOf({ name, subnet });
    const count = size - 1 - firstPlace;
    if (used.size >= count)
      throw new NovaError('host_resource_exhausted', `The network ${name} is full: it has ${count} addresses.`, {
        hint: 'Make one with a larger subnet.',
      });
    let place = Number(prepare('SELECT latest FROM networks WHERE id = ?').get(id)?.['latest'] ?? 1);
    do place = place + 1 >= size - 1 ? firstPlace : place + 1;
    while (used.has(place));
    prepare('UPDATE networks SET latest = ? WHERE id = ?').run(place, id);
    return place;
  };
  return {
    addNetwork: ({ subnet: wanted, ...network }) =>
      transaction(() => {
        if (select('name = ?', network.name).some(({ owner }) => owner === network.owner))
          throw new NovaError('network_exists', `A network named "${network.name}" exists already.`);
        const taken = select('1 = 1').map(rangeOf);
        const subnet = wanted ?? freeSubnet(taken);
        const record: NetworkRecord = { ...network, subnet };
        // The message does not name the other network, which may belong to somebody else.
        if (taken.some((other) => overlap(rangeOf(record), other)))
          throw new NovaError('conflict', `subnet: ${subnet} overlaps with that of another network.`, {
            hint: 'Name another subnet, or leave it out to get a free one.',
          });
        prepare('INSERT INTO networks (id, owner, name, record) VALUES (?, ?, ?, ?)').run(
          record.id,
          record.owner,
          record.name,
          JSON.stringify(record),
        );
        return record;
      }),
    findNetwork(ref, scope = everything) {
      const seen = (where: string, ...values: string[]): NetworkRecord[] =>
        select(where, ...values).filter((record) => within(scope, record));
      const [exact] = seen('id = ?', ref);
      if (exact !== undefined) return exact;
      const namesakes = seen('name = ?', ref);
      const own = scope.of === 'one' ? undefined : namesakes.find(({ owner }) => owner === scope.owner);
      if (own === undefined && namesakes.length > 1)
        throw new NovaError('conflict', `"${ref}" is the name of ${namesakes.length} networks.`, {
          hint: 'Name the network by its id.',
        });
      const named = own ?? namesakes[0];
      if (named !== undefined) return named;
      if (!/^[a-z0-9]{4,}$/.test(ref)) return null;
      const [first, second] = seen('id >= ? AND id < ?', ref, `${ref}~`);
      return second === undefined ? (first ?? null) : null;
    },
    listNetworks: () => select('1 = 1'),
    changeNetwork: (id, change) =>
      transaction(() => {
        const [record] = select('id = ?', id);
        if (record === undefined) return null;
        const changed = { ...record, ...change };
        prepare('UPDATE networks SET record = ? WHERE id = ?').run(JSON.stringify(changed), id);
        return changed;
      }),
    removeNetwork: (id) =>
      transaction(() => {
        const members = memberships('network = ?', 'place', id);
        if (members.length === 0) prepare('DELETE FROM networks WHERE id = ?').run(id);
        return members;
      }),
    joinNetworks: (sandboxId, networkIds) =>
      transaction(() => {
        for (const [position, id] of networkIds.entries()) {
          const [record] = select('id = ?', id);
          if (record === undefined)
            throw new NovaError('network_not_found', `The network ${id} has been removed meanwhile.`);
          const isIn = prepare('SELECT 1 FROM network_members WHERE network = ? AND sandbox = ?').get(id, sandboxId);
          if (isIn !== undefined) continue;
          prepare('INSERT INTO network_members (network, sandbox, position, place) VALUES (?, ?, ?, ?)').run(
            id,
            sandboxId,
            position,
            nextPlace(record),
          );
        }
      }),
    membershipsOf: (sandboxId) => memberships('sandbox = ?', 'position', sandboxId),
    membersOf: (networkId) => memberships('network = ?', 'place', networkId),
    leaveAll(sandboxId) {
      prepare('DELETE FROM network_members WHERE sandbox = ?').run(sandboxId);
    },
  };
}
