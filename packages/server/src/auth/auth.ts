import type { IncomingHttpHeaders } from 'node:http';
import { NovaError } from '@novasandbox/protocol';
import { callerOf } from '../authority/callers.ts';
import { requirePermission } from '../authority/permissions.ts';
import type { Auth, Principal } from '../context.ts';
import type { Keys } from './keys.ts';
import { derive, matches } from './secrets.ts';
import type { Users } from './users.ts';

/** The principal of requests over the daemon's own Unix socket, which only its owner can open. */
export const localPrincipal: Principal = {
  kind: 'local',
  name: 'local',
  role: 'admin',
  ...callerOf('admin', { owner: null, team: null }),
};

const longestCredential = 4096;

/** Returns the credential that a request carries, or null when it carries none. */
export function credentialOf(headers: IncomingHttpHeaders): string | null {
  const apiKey = headers['x-api-key'];
  if (typeof apiKey === 'string' && apiKey !== '') return apiKey;
  const bearer = /^Bearer +([^\s]+)\s*$/i.exec(headers.authorization ?? '')?.[1];
  return bearer ?? null;
}

export function createAuth(keys: Keys, users: Users, secret: string): Auth {
  return {
    async authenticate(headers) {
      const credential = credentialOf(headers);
      const principal =
        credential === null || credential.length > longestCredential
          ? null
          : (keys.find(credential) ?? (credential.includes('.') ? await users.find(credential) : null));
      if (principal === null) throw new NovaError('unauthenticated', 'No valid key or token came with the request.');
      return principal;
    },
    authorise: requirePermission,
    sandboxToken: (sandboxId) => derive(secret, 'agent', sandboxId),
    trafficToken: (sandboxId) => derive(secret, 'traffic', sandboxId),
    volumeToken: (volumeId) => derive(secret, 'volume', volumeId),
    matches,
  };
}
