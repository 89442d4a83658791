import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SandboxInfo } from '@novasandbox/protocol';
import { createAuth } from '../auth/auth.ts';
import { createKeys } from '../auth/keys.ts';
import { createLockout } from '../auth/lockout.ts';
import { newSecret } from '../auth/secrets.ts';
import { createUsers } from '../auth/users.ts';
import type { ServerContext } from '../context.ts';
import { createConnectionLimit } from '../http/connection-limit.ts';
import { openServerStore } from '../store/server-store.ts';
import { mayUsePort } from './access.ts';

test('a port that is not open to all asks for a key or a login of somebody whose it is and who may connect, wherever it stands', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nova-access-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  using store = openServerStore(join(folder, 'store.sqlite'), join(folder, 'reserve'));
  const secret = newSecret();
  const keys = createKeys(store);
  const users = createUsers(store, secret, createLockout(store, 3, 1000), 60);
  const auth = createAuth(keys, users, secret);
  const team = 'crew';
  const { key } = keys.make({ name: 'a', role: 'power_user', scopes: [], expiresAtMs: null, team });
  const weak = keys.make({ name: 'b', role: 'readonly', scopes: [], expiresAtMs: null, team }).key;
  const stranger = keys.make({ name: 'c', role: 'power_user', scopes: [], expiresAtMs: null }).key;
  const mate = keys.make({ name: 'd', role: 'user', scopes: [], expiresAtMs: null, team }).key;
  await users.add('ann', 'a long password', 'power_user', team);
  const { token } = await users.logIn('ann', 'a long password', 'here');
  const info = { id: 'abcd1234', labels: {}, owner: 'key:of-a-mate', team } as unknown as SandboxInfo;
  const may = (headers: IncomingHttpHeaders): Promise<boolean> =>
    mayUsePort({ auth, connections: createConnectionLimit(0) } as ServerContext, info, {
      headers,
      socket: {},
    } as IncomingMessage);

  for (const headers of [
    { 'x-api-key': key },
    { authorization: `Bearer ${key}` },
    { authorization: `Bearer ${token}` },
    { 'x-api-key': token },
    { 'x-api-key': 'of the application', authorization: `Bearer ${key}` },
    { 'x-api-key': key, authorization: 'Bearer of-the-application' },
    { 'e2b-traffic-access-token': auth.trafficToken(info.id) },
  ]) {
    assert.equal(await may(headers), true, Object.keys(headers).join());
  }
  for (const headers of [
    {},
    { 'x-api-key': weak },
    { 'x-api-key': stranger },
    { 'x-api-key': mate },
    { authorization: `Bearer ${token}x` },
    { authorization: 'Bearer of-the-application' },
    { 'e2b-traffic-access-token': auth.trafficToken('efgh5678') },
  ]) {
    assert.equal(await may(headers), false, JSON.stringify(headers));
  }
  await users.logOut(token);
  assert.equal(await may({ authorization: `Bearer ${token}` }), false);
});
