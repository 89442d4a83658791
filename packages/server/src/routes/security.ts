import { rolePermissions, roleSchema } from '@novasandbox/protocol/api';
import { credentialOf } from '../auth/auth.ts';
import { keyPrincipalName } from '../auth/keys.ts';
import { userPrincipalName } from '../auth/users.ts';
import type { DaemonContext } from '../daemon-context.ts';
import { principalOf } from '../http/hooks.ts';
import { sourceOf } from '../http/source.ts';
import type { KeyRow, UserRow } from '../store/server-store.ts';
import { closeSocketsOf } from '../sockets/accept.ts';
import type { JsonHandlers } from './call.ts';

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

const keyOf = ({ id, name, role, scopes, createdAtMs, expiresAtMs, lastUsedAtMs, revoked }: KeyRow) => ({
  id,
  name,
  role,
  scopes: [...scopes],
  created_at: new Date(createdAtMs).toISOString(),
  expires_at: iso(expiresAtMs),
  last_used_at: iso(lastUsedAtMs),
  revoked,
});
const userOf = ({ username, role, createdAtMs }: UserRow, lockedUntilMs: number | null) => ({
  username,
  role,
  created_at: new Date(createdAtMs).toISOString(),
  locked_until: iso(lockedUntilMs),
});

/** Who may come in. */
export function securityHandlers({
  users,
  keys,
  tickets,
  auth,
}: DaemonContext): Pick<
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
      // A key is revoked by those who may; it has nothing to log out of.
      if (principal?.kind === 'user') await users.logOut(credentialOf(request.headers) ?? '');
      return { ok: true };
    },
    async validateAuth({ request }) {
      const { kind, name, role, permissions } = principalOf(request);
      return { kind, name, role, permissions: [...permissions] };
    },
    async createSocketTicket({ request }) {
      const asking = principalOf(request);
      const credential = credentialOf(request.headers);
      // The owner on the daemon's own socket brings none.
      const { ticket, seconds } = tickets.make(async () =>
        credential === null ? asking : auth.authenticate({ 'x-api-key': credential }),
      );
      return { ticket, expires_in: seconds };
    },
    listUsers: async () => ({ users: users.list().map((user) => userOf(user, user.lockedUntilMs)) }),
    createUser: async ({ body }) => userOf(await users.add(body.username, body.password, body.role), null),
    async deleteUser({ params }) {
      users.remove(params.username);
      closeSocketsOf(userPrincipalName(params.username));
    },
    listRoles: async () => ({
      roles: roleSchema.options.map((name) => ({ name, permissions: [...rolePermissions[name]] })),
    }),
    listKeys: async () => ({ keys: keys.list().map(keyOf) }),
    async createKey({ body }) {
      const expiresAtMs = body.expires_in_seconds === undefined ? null : Date.now() + body.expires_in_seconds * 1000;
      const { row, key, e2bKey } = keys.make({ name: body.name, role: body.role, scopes: body.scopes, expiresAtMs });
      return { ...keyOf(row), key, e2b_key: e2bKey };
    },
    async revokeKey({ params }) {
      keys.revoke(params.key_id);
      closeSocketsOf(keyPrincipalName(params.key_id));
    },
  };
}
