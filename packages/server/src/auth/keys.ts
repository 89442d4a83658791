import { randomBytes } from 'node:crypto';
import { inBackground } from '@novasandbox/engine';
import { NovaError } from '@novasandbox/protocol';
import type { Permission, Role } from '@novasandbox/protocol/api';
import type { Ownership } from '@novasandbox/protocol';
import { callerOf } from '../authority/callers.ts';
import type { Principal } from '../context.ts';
import type { KeyRow } from '../store/rows.ts';
import type { ServerStore } from '../store/server-store.ts';
import { sha256 } from './secrets.ts';
import { userPrincipalName } from './users.ts';

export interface NewKey {
  readonly name: string;
  readonly role: Role;
  readonly scopes: readonly Permission[];
  readonly expiresAtMs: number | null;
  /** The user who owns the key. Without one, sandboxes that are made with the key belong to the key itself. */
  readonly username?: string | undefined;
  /** Without a team the key has a team of its own. */
  readonly team?: string | undefined;
}

export interface MadeKey {
  readonly row: KeyRow;
  readonly key: string;
  readonly e2bKey: string;
}

/**
 * API keys. The store keeps a plain SHA-256 of each: keys are random and at least 128 bits long, so a slow hash would
 * protect nothing, and every request has to be checked. Keys are cached in memory, since only the daemon writes them.
 */
export interface Keys {
  /** Returns the owner of a key; null when the key is unknown, expired or revoked. */
  find(key: string): Principal | null;
  list(): KeyRow[];
  make(key: NewKey): MadeKey;
  revoke(id: string): void;
  /** Revokes the keys of a removed user and returns their ids. */
  revokeOf(username: string): string[];
  /** Makes `key` the admin key and drops the previous one. */
  setAdmin(key: string): void;
}

interface Held {
  row: KeyRow;
  principal: Principal;
}

/** The admin key's id; it cannot be revoked, only replaced at the next start. */
const adminKeyId = 'admin';
export const keyPrincipalName = (id: string): string => `key:${id}`;
const lastUsedStepMs = 60_000;

/** A key may be written with the prefix `nova_` or `e2b_`: the same digits are the same key. */
function hashOf(key: string): string | null {
  const digits = /^(?:nova|e2b)_([0-9a-f]{32,128})$/.exec(key)?.[1];
  return digits === undefined ? null : sha256(digits);
}

/** Sandboxes made with the admin key belong to the host, like those made without the daemon. */
function ownershipOf({ id, username, team }: KeyRow): Ownership {
  if (id === adminKeyId) return { owner: null, team: null };
  return { owner: username === null ? keyPrincipalName(id) : userPrincipalName(username), team };
}

export function createKeys(store: ServerStore): Keys {
  const byHash = new Map<string, Held>();
  const hold = (row: KeyRow): void => {
    const { role, scopes } = row;
    const caller = callerOf(role, ownershipOf(row), scopes);
    byHash.set(row.hash, { row, principal: { kind: 'key', name: keyPrincipalName(row.id), role, ...caller } });
  };
  const save = (row: KeyRow): void => {
    store.putKey(row);
    hold(row);
  };
  store.keys().forEach(hold);
  const rows = (): KeyRow[] => [...byHash.values()].map(({ row }) => row);

  return {
    find(key) {
      const hash = hashOf(key);
      const held = hash === null ? undefined : byHash.get(hash);
      if (held === undefined || held.row.revoked) return null;
      const now = Date.now();
      if (held.row.expiresAtMs !== null && held.row.expiresAtMs <= now) return null;
      if (now - (held.row.lastUsedAtMs ?? 0) > lastUsedStepMs) {
        held.row = { ...held.row, lastUsedAtMs: now };
        const { row } = held;
        inBackground('noting that a key was used', () => store.putKey(row));
      }
      return held.principal;
    },
    list: () => rows().toSorted((a, b) => a.createdAtMs - b.createdAtMs),
    make({ name, role, scopes, expiresAtMs, username, team }) {
      const digits = randomBytes(20).toString('hex');
      const id = randomBytes(6).toString('hex');
      const row: KeyRow = {
        id,
        name,
        username: username ?? null,
        team: team ?? keyPrincipalName(id),
        hash: sha256(digits),
        role,
        scopes,
        createdAtMs: Date.now(),
        expiresAtMs,
        lastUsedAtMs: null,
        revoked: false,
      };
      save(row);
      return { row, key: `nova_${digits}`, e2bKey: `e2b_${digits}` };
    },
    revoke(id) {
      const row = rows().find((each) => each.id === id);
      if (row === undefined)
        throw new NovaError('not_found', `There is no key "${id}".`, {
          hint: 'List the keys with `nova key ls --all`.',
        });
      if (id === adminKeyId) {
        throw new NovaError('conflict', 'The admin key cannot be revoked.', {
          hint: 'Remove admin.key from the state folder and restart the daemon: it makes another.',
        });
      }
      if (!row.revoked) save({ ...row, revoked: true });
    },
    revokeOf(username) {
      const theirs = rows().filter((row) => row.username === username && !row.revoked);
      for (const row of theirs) save({ ...row, revoked: true });
      return theirs.map(({ id }) => id);
    },
    setAdmin(key) {
      const hash = hashOf(key);
      if (hash === null)
        throw new NovaError('invalid_argument', 'The admin key is not of the form nova_<hex> or e2b_<hex>.', {
          hint: 'Give another one, or remove admin.key from the state folder: the next start makes one.',
        });
      const before = rows().find(({ id }) => id === adminKeyId);
      if (before?.hash === hash) return;
      if (before !== undefined) byHash.delete(before.hash);
      save({
        id: adminKeyId,
        name: 'admin',
        username: null,
        team: null,
        hash,
        role: 'admin',
        scopes: [],
        createdAtMs: Date.now(),
        expiresAtMs: null,
        lastUsedAtMs: null,
        revoked: false,
      });
    },
  };
}
