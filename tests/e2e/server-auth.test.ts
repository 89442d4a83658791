import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { once } from 'node:events';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { rolePermissions, roleSchema, routes, type Role, type Route } from '@novasandbox/protocol/api';
import { WebSocket } from 'ws';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';

let server: ServerUnderTest;
const keys = {} as Record<Role, string>;

before(async () => {
  server = await serverUnderTest({ NOVA_SECURITY_LOGIN_ATTEMPTS: '3', NOVA_SECURITY_FAILED_AUTH_PER_MINUTE: '1000' });
  for (const role of roleSchema.options) {
    keys[role] = (await server.ok('POST', '/security/api-keys', { name: role, role })).key;
  }
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
});

/** The path names nothing that exists, because the tests check who may call, not what then happens. */
const pathOf = ({ path, query }: Route): string => {
  const named = path
    .replaceAll('{process_id}', '1')
    .replaceAll('{port}', '1')
    .replaceAll(/\{\w+\}/g, 'nobody');
  // A stream that follows what happens has no end of its own.
  return query !== undefined && 'follow' in query.shape ? `${named}?follow=false` : named;
};
const harmless = (operation: string): boolean => operation !== 'logout';

test('every route lets in the roles that have its permission, and nobody else', async () => {
  for (const [operation, route] of Object.entries<Route>(routes)) {
    const path = pathOf(route);
    const stranger = await server.call(route.method, path, { key: null });
    if (route.permission === 'public') assert.notEqual(stranger.status, 403, operation);
    else assert.deepEqual([stranger.status, stranger.body.error.code], [401, 'unauthenticated'], operation);
    if (!harmless(operation)) continue;
    for (const role of roleSchema.options) {
      // An invalid body: allowed callers get an error about it, and nothing is made.
      const { status, body } = await server.call(route.method, path, {
        key: keys[role],
        ...(route.body === undefined ? {} : { body: { x: 1 } }),
      });
      const { permission } = route;
      const may =
        permission === 'public' || permission === 'authenticated' || rolePermissions[role].includes(permission);
      if (may) assert.ok(status !== 401 && status !== 403, `${operation} as ${role}: ${status}`);
      else assert.deepEqual([status, body.error.details.permission], [403, permission], `${operation} as ${role}`);
    }
  }
});

test('WebSockets ask for the same', async () => {
  for (const [key, expected] of [
    [keys.readonly, 403],
    ['nova_00000000000000000000000000000000', 401],
  ] as const) {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const socket = server.socket('/vms/nobody/exec', key);
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode));
      socket.on('open', () => reject(new Error('it was let in')));
      socket.on('error', reject);
    });
    assert.equal(status, expected);
  }
});

test('scopes narrow a key, keys expire and are revoked, both forms are one key', async () => {
  const made = await server.ok('POST', '/security/api-keys', { name: 'reader', role: 'admin', scopes: ['vm:read'] });
  assert.equal((await server.call('GET', '/vms', { key: made.key })).status, 200);
  assert.equal((await server.call('GET', '/vms', { key: made.e2b_key })).status, 200);
  assert.equal(
    (await server.call('GET', '/vms', { key: null, headers: { authorization: `Bearer ${made.key}` } })).status,
    200,
  );
  assert.equal((await server.call('GET', '/system/info', { key: made.key })).status, 403);
  const who = await server.call('GET', '/security/auth/validate', { key: made.key });
  assert.deepEqual(who.body.permissions, ['vm:read']);
  const listed = await server.ok('GET', '/security/api-keys');
  assert.ok(!JSON.stringify(listed).includes(made.key.slice(5)));
  assert.equal((await server.call('DELETE', `/security/api-keys/${made.id}`)).status, 204);
  assert.equal((await server.call('GET', '/vms', { key: made.key })).status, 401);
  assert.equal((await server.call('DELETE', '/security/api-keys/admin')).status, 409);
  const brief = await server.ok('POST', '/security/api-keys', { name: 'brief', expires_in_seconds: 1 });
  assert.equal((await server.call('GET', '/vms', { key: brief.key })).status, 200);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  assert.equal((await server.call('GET', '/vms', { key: brief.key })).status, 401);
});

test('users log in and out; wrong passwords lock; a removed user is out at once', async () => {
  const password = 'correct horse battery';
  await server.ok('POST', '/security/users', { username: 'ann', password, role: 'readonly' });
  assert.equal((await server.call('POST', '/security/users', { body: { username: 'ann', password } })).status, 409);
  const logIn = (username: string, given: string) =>
    server.call('POST', '/security/auth/login', { body: { username, password: given }, key: null });
  const { access_token } = (await logIn('ann', password)).body;
  assert.equal((await server.call('GET', '/vms', { key: access_token })).status, 200);
  assert.equal((await server.call('POST', '/vms', { key: access_token, body: {} })).status, 403);
  assert.equal((await server.call('POST', '/security/auth/logout', { key: access_token })).status, 200);
  assert.equal((await server.call('GET', '/vms', { key: access_token })).status, 401);

  const other = (await logIn('ann', password)).body.access_token;
  const [head = '', , signature = ''] = (other as string).split('.');
  const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = encoded({ sub: 'ann', iss: 'novasandbox', exp: 9e9, iat: Math.floor(Date.now() / 1000) });
  for (const forged of [
    [head, claims, signature],
    [encoded({ alg: 'none' }), claims, ''],
    [encoded({ alg: 'none' }), claims, signature],
    [encoded({ alg: 'HS512' }), claims, signature],
    [head, (other as string).split('.')[1], ''],
  ]) {
    assert.equal((await server.call('GET', '/vms', { key: forged.join('.') })).status, 401, forged.join('.'));
  }
  const wrong = await logIn('ann', 'no');
  const nobody = await logIn('nobody', 'no');
  assert.equal(wrong.status, 401);
  assert.deepEqual(wrong.body, nobody.body);
  for (let index = 0; index < 2; index++) await logIn('ann', 'no');
  const locked = await logIn('ann', password);
  assert.equal(locked.status, 429);
  assert.ok(Number(locked.headers.get('retry-after')) > 60);
  // An attacker who guesses locks the name only for their own address; its owner can still log in from elsewhere.
  const elsewhere = await logInFrom('127.0.0.2', 'ann', password);
  assert.equal(elsewhere, 200);
  assert.equal((await server.call('DELETE', '/security/users/ann')).status, 204);
  assert.equal((await server.call('GET', '/vms', { key: other })).status, 401);
  assert.equal((await server.ok('GET', '/security/roles')).roles.length, 4);
});

/** The status of a login that comes from another address of this host. */
function logInFrom(localAddress: string, username: string, password: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    request(`${server.url}/api/v1/security/auth/login`, { method: 'POST', headers, localAddress }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end(JSON.stringify({ username, password }));
  });
}

test('under a foreign name, as a page that rebinds its own would ask, there is no more than what is public', async () => {
  const { sandboxID: id } = await server.ok('POST', '//sandboxes', { templateID: 'base' });
  const ask = (path: string, headers: Record<string, string>): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      request(`${server.url}${path}`, { headers: { host: 'evil.example', ...headers } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
  const named = { 'e2b-sandbox-id': id, 'e2b-sandbox-port': '3000' };
  assert.equal(await ask('/health', {}), 200);
  // The request names a sandbox, but is redirected to the documentation.
  assert.equal(await ask('/', named), 302);
  assert.equal(await ask('/health', { 'e2b-sandbox-id': id }), 200);
  assert.equal(await ask('/files?path=x&signature=v1_x', {}), 401);
  assert.equal(await ask('/api/v1/vms', {}), 401);
  // With a name of this host, the request goes to the sandbox, where nobody listens.
  assert.equal(await ask('/', { ...named, host: 'localhost' }), 502);
  assert.equal((await server.call('DELETE', `/vms/${id}`)).status, 204);
});

test('neither requests without credentials nor wrong logins keep out who has the right ones', async () => {
  await using attacked = await serverUnderTest({ NOVA_SECURITY_FAILED_AUTH_PER_MINUTE: '20' });
  const password = 'correct horse battery';
  await attacked.ok('POST', '/security/users', { username: 'ann', password, role: 'user' });
  const statuses = new Set<number>();
  for (let count = 0; count < 30; count++) statuses.add((await attacked.call('GET', '/vms', { key: null })).status);
  assert.deepEqual([...statuses], [401, 429]);
  assert.equal((await attacked.call('GET', '/vms')).status, 200);
  const logIn = (username: string, given: string) =>
    attacked.call('POST', '/security/auth/login', { body: { username, password: given }, key: null });
  const wrong = await Promise.all(Array.from({ length: 150 }, (_, index) => logIn(`nobody${index}`, 'wrong')));
  const refusedAtOnce = wrong.filter(({ status }) => status === 429);
  // Password checks take turns; the rest of a flood is refused without waiting.
  assert.ok(refusedAtOnce.length > 100, `${refusedAtOnce.length} of 150 were refused at once`);
  assert.ok(refusedAtOnce.every(({ headers }) => Number(headers.get('retry-after')) > 0));
  assert.equal((await logIn('ann', password)).status, 200);
});

test('the local socket is its owner alone, and lets the owner in without a key', async () => {
  const { daemon } = server.home.layout;
  assert.equal(statSync(daemon.socket).mode & 0o777, 0o600);
  assert.equal(statSync(daemon.keyFile).mode & 0o777, 0o600);
  assert.equal(statSync(daemon.secretFile).mode & 0o777, 0o600);
  assert.equal(statSync(daemon.database).mode & 0o777, 0o600);
  const body = await new Promise<string>((resolve, reject) => {
    request({ socketPath: daemon.socket, path: '/api/v1/security/auth/validate' }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve(text));
    })
      .on('error', reject)
      .end();
  });
  assert.deepEqual([JSON.parse(body).kind, JSON.parse(body).role], ['local', 'admin']);
});

test('limits: requests of a principal, wrong credentials of an address, CORS only where configured', async () => {
  await using limited = await serverUnderTest({
    NOVA_SECURITY_RATE_LIMIT_PER_MINUTE: '5',
    NOVA_SECURITY_FAILED_AUTH_PER_MINUTE: '3',
    NOVA_SECURITY_CORS_ORIGINS: '[https://app.example]',
    NOVA_API_KEY: `e2b_${'0123456789abcdef'.repeat(3)}`,
  });
  assert.ok(limited.key.startsWith('e2b_'));
  const nova = limited.key.replace('e2b_', 'nova_');
  const statuses: number[] = [];
  for (let index = 0; index < 7; index++) statuses.push((await limited.call('GET', '/vms', { key: nova })).status);
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429, 429]);
  const over = await limited.call('GET', '/vms');
  assert.ok(Number(over.headers.get('retry-after')) > 0);
  assert.equal(over.headers.get('x-ratelimit-remaining'), '0');
  const wrong: number[] = [];
  for (let index = 0; index < 5; index++) wrong.push((await limited.call('GET', '/vms', { key: 'nova_wrong' })).status);
  assert.deepEqual(wrong, [401, 401, 401, 429, 429]);
  const preflight = { origin: 'https://app.example', 'access-control-request-method': 'POST' };
  const allowed = await limited.call('OPTIONS', '/vms', { key: null, headers: preflight });
  assert.deepEqual([allowed.status, allowed.headers.get('access-control-allow-origin')], [204, 'https://app.example']);
  const other = await limited.call('GET', '//health', { headers: { origin: 'https://evil.example' } });
  assert.equal(other.headers.get('access-control-allow-origin'), null);
  const none = await server.call('GET', '//health', { headers: { origin: 'https://app.example' } });
  assert.equal(none.headers.get('access-control-allow-origin'), null);
});

test('a ticket opens one WebSocket, as whoever asked for it, and nothing else', async () => {
  const ticketFor = async (key: string): Promise<string> => {
    const made = await server.call('POST', '/auth/ws-ticket', { key });
    assert.equal(made.status, 201);
    assert.equal(made.body.expires_in, 30);
    return made.body.ticket;
  };
  const open = async (path: string, headers: Record<string, string> = {}): Promise<number> => {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1${path}`, { headers });
    socket.on('error', () => undefined);
    const refused = once(socket, 'unexpected-response').then(([, response]) => response.statusCode as number);
    const status = await Promise.race([once(socket, 'open').then(() => 101), refused]);
    socket.terminate();
    return status;
  };
  assert.equal((await server.call('POST', '/auth/ws-ticket', { key: null })).status, 401);
  const ticket = await ticketFor(keys.readonly);
  // Using it for a plain request neither works nor uses it up.
  assert.equal((await server.call('GET', `/vms?ticket=${ticket}`, { key: null })).status, 401);
  assert.equal(await open(`/system/events?ticket=${ticket}`), 101);
  assert.equal(await open(`/system/events?ticket=${ticket}`), 401);
  assert.equal(await open('/system/events?ticket=x'), 401);
  assert.equal(await open('/system/events'), 401);
  // A reader may read but run nothing; a refused ticket is used up.
  const weak = await ticketFor(keys.readonly);
  assert.equal(await open(`/vms/nobody/shell?ticket=${weak}`), 403);
  assert.equal(await open(`/system/events?ticket=${weak}`), 401);
  for (const used of [ticket, weak]) assert.ok(!server.said().includes(used));
});

test('a ticket opens no WebSocket of a page whose origin is not named, and is used up by the try', async () => {
  await using named = await serverUnderTest({ NOVA_SECURITY_CORS_ORIGINS: '[https://app.example]' });
  const open = async (ticket: string, headers: Record<string, string>): Promise<number> => {
    const socket = new WebSocket(`${named.url.replace('http', 'ws')}/api/v1/system/events?ticket=${ticket}`, {
      headers,
    });
    socket.on('error', () => undefined);
    const refused = once(socket, 'unexpected-response').then(([, response]) => response.statusCode as number);
    const status = await Promise.race([once(socket, 'open').then(() => 101), refused]);
    socket.terminate();
    return status;
  };
  const ticket = async (): Promise<string> => (await named.ok('POST', '/auth/ws-ticket')).ticket;
  for (const origin of ['https://evil.example', 'null', 'https://app.example.evil', 'http://app.example', named.url]) {
    const foreign = await ticket();
    assert.equal(await open(foreign, { origin }), 403, origin);
    assert.equal(await open(foreign, { origin: 'https://app.example' }), 401, origin);
  }
  assert.equal(await open(await ticket(), { origin: 'https://app.example' }), 101);
  assert.equal(await open(await ticket(), {}), 101);
  // Clients that can send a key are not pages.
  assert.equal(await open('', { 'x-api-key': named.key, origin: 'https://evil.example' }), 101);
});

test('what is revoked ends at once: tickets not yet used, and WebSockets that are open', async () => {
  const { id, key } = await server.ok('POST', '/security/api-keys', { name: 'brief', role: 'readonly' });
  const { ticket } = (await server.call('POST', '/auth/ws-ticket', { key })).body;
  const [its, other] = [server.socket('/system/events', key), server.socket('/system/events', keys.readonly)];
  await Promise.all([once(its, 'open'), once(other, 'open')]);
  assert.equal((await server.call('DELETE', `/security/api-keys/${id}`)).status, 204);
  assert.equal((await once(its, 'close'))[0], 1008);
  assert.equal(other.readyState, WebSocket.OPEN);
  const late = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1/system/events?ticket=${ticket}`);
  late.on('error', () => undefined);
  const [, response] = await once(late, 'unexpected-response');
  assert.equal(response.statusCode, 401);
  late.terminate();
  other.close();
});
