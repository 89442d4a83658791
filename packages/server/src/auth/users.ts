import { randomUUID } from 'node:crypto';
import { NovaError } from '@novasandbox/protocol';
import type { Role } from '@novasandbox/protocol/api';
import { decodeJwt, jwtVerify, SignJWT } from 'jose';
import { callerOf } from '../authority/callers.ts';
import type { Principal } from '../context.ts';
import type { UserRow } from '../store/rows.ts';
import type { ServerStore } from '../store/server-store.ts';
import type { Lockout } from './lockout.ts';
import { hashPassword, verifyPassword } from './passwords.ts';
import { createTurns } from './turns.ts';

const issuer = 'novasandbox';

/**
 * Tells by its form whether a text is a login token of this or another daemon; it may be expired, revoked or forged.
 */
export function isLoginToken(text: string): boolean {
  if (text.length > longestToken || !/^[\w-]+\.[\w-]+\.[\w-]*$/.test(text)) return false;
  try {
    return decodeJwt(text).iss === issuer;
  } catch {
    return false;
  }
}

const longestToken = 4096;

export const userPrincipalName = (username: string): string => `user:${username}`;

export interface Users {
  list(): readonly (UserRow & { readonly lockedUntilMs: number | null })[];
  /** Without `team` the user has a team of their own. */
  add(username: string, password: string, role: Role, team?: string): Promise<UserRow>;
  remove(username: string): void;
  /**
   * Returns a signed token. `source` is the address that the request comes from. The error is the same for every wrong
   * name or password.
   */
  logIn(
    username: string,
    password: string,
    source: string,
  ): Promise<{ readonly token: string; readonly seconds: number }>;
  /** Returns the owner of a token; null when it is not ours, expired or revoked, or when its user was removed. */
  find(token: string): Promise<Principal | null>;
  logOut(token: string): Promise<void>;
}

/** How many password checks may wait; each takes about 50 ms. Adding users waits in the same queue. */
const waiting = { perSource: 4, total: 32 } as const;

/**
 * Users with passwords. A token holds only the user's name: the role is looked up on each request, so that changes
 * apply at once.
 */
export function createUsers(store: ServerStore, secret: string, lockout: Lockout, tokenSeconds: number): Users {
  const key = Buffer.from(secret, 'hex');
  const turns = createTurns(waiting);
  // Unknown names are checked against this hash, so that refusing them takes as long as refusing a wrong password.
  let nobody: Promise<string> | undefined;
  const claims = async (token: string) => {
    const { payload } = await jwtVerify(token, key, { algorithms: ['HS256'], issuer });
    return payload;
  };
  const refuseLocked = (username: string, source: string): void => {
    const until = lockout.lockedUntilMs(username, source);
    if (until === null) return;
    const seconds = Math.ceil((until - Date.now()) / 1000);
    throw new NovaError('rate_limited', `Too many wrong passwords: locked for ${seconds} s.`, {
      details: { retry_after_seconds: seconds },
    });
  };
  return {
    list: () => store.users().map((user) => ({ ...user, lockedUntilMs: lockout.lockedUntilMs(user.username) })),
    async add(username, password, role, team = userPrincipalName(username)) {
      const row = {
        username,
        role,
        team,
        createdAtMs: Date.now(),
        password: await turns.take('added', () => hashPassword(password)),
      };
      if (!store.addUser(row)) {
        throw new NovaError('conflict', `There is a user "${username}" already.`, {
          hint: 'Choose another name, or remove the user with `nova user rm`.',
        });
      }
      return row;
    },
    remove(username) {
      if (!store.removeUser(username)) {
        throw new NovaError('not_found', `There is no user "${username}".`, {
          hint: 'List the users with `nova user ls`.',
        });
      }
    },
    async logIn(username, password, source) {
      refuseLocked(username, source);
      const user = store.findUser(username);
      // The attempt is counted within its turn, so that concurrent attempts cannot exceed the limit.
      const right = await turns.take(source, async () => {
        refuseLocked(username, source);
        nobody ??= hashPassword(randomUUID());
        const matched = await verifyPassword(password, user?.password ?? (await nobody));
        if (user !== null && matched) lockout.succeeded(username, source);
        else lockout.failed(username, source);
        return user !== null && matched;
      });
      if (!right) throw new NovaError('unauthenticated', 'The user name or the password is wrong.');
      const now = Math.floor(Date.now() / 1000);
      const token = await new SignJWT()
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuer(issuer)
        .setSubject(username)
        .setJti(randomUUID())
        .setIssuedAt(now)
        .setExpirationTime(now + Math.round(tokenSeconds))
        .sign(key);
      return { token, seconds: Math.round(tokenSeconds) };
    },
    async find(token) {
      try {
        const { sub = '', jti = '', iat = 0 } = await claims(token);
        if (store.isTokenRevoked(jti)) return null;
        const user = store.findUser(sub);
        // A token of a removed user is not valid for a later user of the same name.
        if (user === null || iat * 1000 < Math.floor(user.createdAtMs / 1000) * 1000) return null;
        const name = userPrincipalName(user.username);
        const { role, team } = user;
        return { kind: 'user', name, role, ...callerOf(role, { owner: name, team }) };
      } catch {
        return null;
      }
    },
    async logOut(token) {
      const { jti = '', exp = 0 } = await claims(token);
      store.revokeToken(jti, exp * 1000);
    },
  };
}
