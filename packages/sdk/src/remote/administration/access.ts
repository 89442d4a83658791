import { inCamelCase, type Permission, type Role } from '@novasandbox/protocol/api';
import type { HttpClient } from '../http.ts';

/** A key to a daemon. Only `create` returns the secret itself. */
export interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** The user who owns the key; null if nobody does. */
  readonly username: string | null;
  readonly team: string | null;
  /** Permissions to which the key is limited; if empty, it has all permissions of its role. */
  readonly scopes: readonly Permission[];
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
  readonly revoked: boolean;
}

export interface NewApiKey {
  readonly name: string;
  readonly role?: Role | undefined;
  readonly username?: string | undefined;
  readonly team?: string | undefined;
  readonly scopes?: readonly Permission[] | undefined;
  /** Default: the key does not expire. */
  readonly expiresInMs?: number | undefined;
}

export interface CreatedApiKey extends ApiKey {
  readonly key: string;
  /** The same key in the form that E2B's clients accept. */
  readonly e2bKey: string;
}

/** A user who may log in to a daemon. */
export interface User {
  readonly username: string;
  readonly role: Role;
  readonly team: string;
  readonly createdAt: string;
  /** The account is locked until then because of wrong passwords; null if it is not locked. */
  readonly lockedUntil: string | null;
}

export interface NewUser {
  readonly username: string;
  /** At least 12 characters. */
  readonly password: string;
  readonly role?: Role | undefined;
  readonly team?: string | undefined;
}

export interface RoleInfo {
  readonly name: Role;
  /** The sandboxes that it may act on. */
  readonly reach: 'own' | 'team' | 'all';
  readonly permissions: readonly Permission[];
}

/** The identity under which a daemon handles the caller. */
export interface Identity {
  readonly kind: 'key' | 'user' | 'local';
  readonly name: string;
  readonly role: Role;
  readonly owner: string | null;
  readonly team: string | null;
  readonly permissions: readonly Permission[];
}

/** Manages access to a daemon. */
export interface AccessService {
  listKeys(): Promise<ApiKey[]>;
  createKey(key: NewApiKey): Promise<CreatedApiKey>;
  revokeKey(id: string): Promise<void>;
  listUsers(): Promise<User[]>;
  createUser(user: NewUser): Promise<User>;
  removeUser(username: string): Promise<void>;
  roles(): Promise<RoleInfo[]>;
  whoAmI(): Promise<Identity>;
}

export function createRemoteAccess(http: HttpClient): AccessService {
  return {
    listKeys: async () => (await http.call('listKeys', {})).keys.map(inCamelCase),
    async createKey({ expiresInMs, ...given }) {
      const expires_in_seconds = expiresInMs === undefined ? undefined : Math.round(expiresInMs / 1000);
      return inCamelCase(await http.call('createKey', {}, { body: { ...given, expires_in_seconds } }));
    },
    revokeKey: async (id) => http.call('revokeKey', { key_id: id }),
    listUsers: async () => (await http.call('listUsers', {})).users.map(inCamelCase),
    createUser: async (user) => inCamelCase(await http.call('createUser', {}, { body: user })),
    removeUser: async (username) => http.call('deleteUser', { username }),
    roles: async () => (await http.call('listRoles', {})).roles,
    whoAmI: async () => http.call('validateAuth', {}),
  };
}
