import { NovaError } from '@novasandbox/protocol';
import { rolePermissions, roleReach, roleSchema, type createKeySchema } from '@novasandbox/protocol/api';
import { credentialOf } from '../auth/auth.ts';
import { keyPrincipalName, type NewKey } from '../auth/keys.ts';
import { userPrincipalName, type Users } from '../auth/users.ts';
import type { Services } from '../context.ts';
import type { RouteContext } from '../daemon-context.ts';
import { principalOf } from '../http/hooks.ts';
import { sourceOf } from '../http/source.ts';
import type { KeyRow, UserRow } from '../store/rows.ts';
import type { Sockets } from '../sockets/accept.ts';
import type * as z from 'zod';
import type { JsonHandlers } from './call.ts';

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

const keyOf = ({
  id,
  name,
  role,
  username,
  team,
  scopes,
  createdAtMs,
  expiresAtMs,
  lastUsedAtMs,
  revoked,
}: KeyRow) => ({
  id,
  name,
  role,
  username,
  team,
  scopes: [...scopes],
  created_at: new Date(createdAtMs).toISOString(),
  expires_at: iso(expiresAtMs),
  last_used_at: iso(lastUsedAtMs),
  revoked,
});
const userOf = ({ username, role, team, createdAtMs }: UserRow, lockedUntilMs: number | null) => ({
  username,
  role,
  team,
  created_at: new Date(createdAtMs).toISOString(),
  locked_until: iso(lockedUntilMs),
});

/** Logins, users and API keys. */
export function securityHandlers(
  { users, keys, store, tickets, auth }: RouteContext,
  sockets: Sockets,
): Pick<
  JsonHandlers,
  | 'login'
  | 'logout'
  | 'validateAuth'
  | 'createSocketTicket'
  | 'listUsers'
  | 'createUser'
  | 'deleteUser'
  | 'listRoles'
  | 'listKeys'
  | 'createKey'
  | 'revokeKey'
> {
  return {
    async login({ body, request }) {
      const { token, seconds } = await users.logIn(body.username, body.password, sourceOf(request.ip));
      return { access_token: token, token_type: 'bearer', expires_in: seconds };
    },
    async logout({ principal, request }) {
      // An API key has no session; it is revoked with another route.
      if (principal?.kind === 'user') await users.logOut(credentialOf(request.headers) ?? '');
      return { ok: true };
    },
    async validateAuth({ request }) {
      const { kind, name, role, ownership, permissions } = principalOf(request);
      return { kind, name, role, ...ownership, permissions: [...permissions] };
    },
    async createSocketTicket({ request }) {
      const asking = principalOf(request);
      const credential = credentialOf(request.headers);
      // Requests over the local socket carry no credentials.
      const { ticket, seconds } = tickets.make(async () =>
        credential === null ? asking : auth.authenticate({ 'x-api-key': credential }),
      );
      return { ticket, expires_in: seconds };
    },
    listUsers: async () => ({ users: users.list().map((user) => userOf(user, user.lockedUntilMs)) }),
    async createUser({ engine, body: { username, password, role, team } }) {
      await requireUnused(engine, username);
      return userOf(await users.add(username, password, role, team), null);
    },
    async deleteUser({ params }) {
      const name = userPrincipalName(params.username);
      users.remove(params.username);
      const revoked = keys.revokeOf(params.username).map(keyPrincipalName);
      for (const principal of [name, ...revoked]) sockets.closeOf(principal);
      store.forgetAnswers(name);
    },
    listRoles: async () => ({
      roles: roleSchema.options.map((name) => ({
        name,
        reach: roleReach[name],
        permissions: [...rolePermissions[name]],
      })),
    }),
    listKeys: async () => ({ keys: keys.list().map(keyOf) }),
    async createKey({ body }) {
      const expiresAtMs = body.expires_in_seconds === undefined ? null : Date.now() + body.expires_in_seconds * 1000;
      const { name, role, scopes } = body;
      const { row, key, e2bKey } = keys.make({ name, role, scopes, expiresAtMs, ...belonging(users, body) });
      return { ...keyOf(row), key, e2b_key: e2bKey };
    },
    async revokeKey({ params }) {
      keys.revoke(params.key_id);
      sockets.closeOf(keyPrincipalName(params.key_id));
    },
  };
}

/** Sandboxes of a user who was removed must not become those of another user of the same name. */
async function requireUnused({ sandboxes }: Services, username: string): Promise<void> {
  const left = await sandboxes.list({ all: true, owner: userPrincipalName(username) });
  if (left.length === 0) return;
  throw new NovaError('conflict', `There are still VMs of an earlier user "${username}".`, {
    hint: `Remove them (\`nova ls --all --owner ${userPrincipalName(username)}\`), or choose another name.`,
  });
}

/** Returns the owner of a new key: a user, whose team the key gets, or the key itself. */
function belonging(
  users: Users,
  { username, team }: z.output<typeof createKeySchema>,
): Pick<NewKey, 'username' | 'team'> {
  if (username === undefined) return { team };
  if (team !== undefined) throw new NovaError('invalid_argument', "team: a user's key has the user's team.");
  const user = users.list().find((each) => each.username === username);
  if (user === undefined) {
    throw new NovaError('not_found', `There is no user "${username}".`, {
      hint: 'List the users with `nova user ls`.',
    });
  }
  return { username, team: user.team };
}
