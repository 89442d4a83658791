import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { rolePermissions, routes, type Operation, type Role, type Route } from '@novasandbox/protocol/api';
import { WebSocket } from 'ws';
import type { Registered } from '../../packages/server/src/http/hooks.ts';
import { eventually } from '../support/eventually.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';
import { registeredRoutes, tenant, type Tenant } from '../support/tenants.ts';

/**
 * The kinds of things that parameters of routes name. A new parameter fails a test until its ownership is stated and
 * tested here.
 */
type Kind =
  | 'sandbox'
  | 'in a sandbox'
  | 'snapshot'
  | 'volume'
  | 'network'
  | 'policy'
  | 'approval'
  | 'of the host'
  | 'of the admin'
  | 'to come';
const kinds: Readonly<Record<string, Kind>> = {
  // DELETE /templates/:id of E2B's API names a snapshot.
  id: 'sandbox',
  snapshot: 'snapshot',
  process_id: 'in a sandbox',
  port: 'in a sandbox',
  forward: 'in a sandbox',
  rule: 'in a sandbox',
  preview: 'in a sandbox',
  template_id: 'of the host',
  volume_id: 'volume',
  volume: 'volume',
  network_id: 'network',
  policy: 'policy',
  // Those of strangers are tested where there is a question: policies.test.ts.
  approval: 'approval',
  secret: 'in a sandbox',
  alias: 'of the host',
  username: 'of the admin',
  key_id: 'of the admin',
  hash: 'to come',
  build: 'to come',
  '*': 'to come',
};
const nobodys = 'zzzzzzzzzzzzzzzzzzzz';
const strangers = ['readonly', 'user', 'power_user'] as const satisfies readonly Role[];

/** Bodies with which a request passes the checks of its form. */
const bodies: Partial<Record<Operation, unknown>> = {
  execute: { command: 'true' },
  guestExecute: { command: 'true' },
  executeStream: { command: 'true' },
  executeDetached: { command: 'true' },
  listManifest: { path: '/tmp' },
  makeDirectory: { path: '/tmp/x' },
  moveFile: { source: '/etc/hostname', destination: '/tmp/x' },
  setFileAttributes: { path: '/etc/hostname', permissions: '0600' },
  setVmTimeout: { timeout_seconds: 1 },
  updateVm: { name: 'stolen' },
  setVmResources: { vcpus: 2 },
  createPortForward: { guest_port: 1 },
  createPreview: { port: 80 },
  createFirewallRule: { rule_type: 'deny' },
  setVmPolicy: { policy: 'none' },
  setVmSecret: { value: 'a-long-secret', hosts: [{ host: 'api.example.com' }] },
};
const queryOf = ({ query }: Route): string =>
  query !== undefined && 'path' in query.shape ? '?path=/etc/hostname' : '';

let server: ServerUnderTest;
let ann: Tenant;
let box: string;
let snapshot: string;
let registered: readonly Registered[];
const others = {} as Record<Role, Tenant>;

before(async () => {
  registered = await registeredRoutes();
  server = await serverUnderTest({
    NOVA_SECURITY_RATE_LIMIT_PER_MINUTE: '0',
    NOVA_MONITORING_INTERVAL_SECONDS: '1',
  });
  ann = await tenant(server, { role: 'user' });
  for (const role of strangers) others[role] = await tenant(server, { role });
  box = await ann.vm({ name: 'anns-box', metadata: { project: 'x' } });
  const taken = await server.call('POST', `/vms/${box}/snapshots`, { key: ann.key, body: { name: 'anns-snapshot' } });
  snapshot = taken.body.id;
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
});

const entries = Object.entries(routes) as [Operation, Route][];
const paramsOf = (path: string): string[] =>
  [...path.matchAll(/\{(\w+)\}|:(\w+)|(\*)/g)].map(([, rest, e2b, any]) => rest ?? e2b ?? any ?? '');
const named = ({ path }: Route, ref: string): string =>
  path
    .replaceAll('{id}', ref)
    .replaceAll(/\{(process_id|port)\}/g, '1')
    .replaceAll('{snapshot}', path.includes('{id}') ? 'anns-snapshot' : ref)
    .replaceAll(/\{\w+\}/g, 'x');

test('every parameter of every route names a kind of thing that has an owner', () => {
  for (const { url } of registered)
    for (const name of paramsOf(url)) assert.ok(kinds[name] !== undefined, `${url}: whose is {${name}}?`);
  for (const [operation, { path, permission }] of entries) {
    const kindsHere = paramsOf(path).map((name) => kinds[name]);
    assert.ok(!kindsHere.includes('to come'), `${operation}: it is there now; whose is it?`);
    if (kindsHere.includes('in a sandbox')) assert.ok(kindsHere.includes('sandbox'), operation);
    if (kindsHere.includes('of the admin')) assert.match(permission, /^security:/, operation);
  }
});

/** Facts of the sandbox that no call of a stranger may change. */
async function factsOf(id: string): Promise<unknown> {
  const vm = await server.ok('GET', `/vms/${id}`);
  const { processes } = await server.ok('GET', `/vms/${id}/processes`);
  const { forwards } = await server.ok('GET', `/vms/${id}/network/port-forwards`);
  const { policy } = await server.ok('GET', `/vms/${id}/network/policy`);
  const { previews } = await server.ok('GET', `/vms/${id}/network/previews`);
  const limits = await server.ok('GET', `/vms/${id}/limits`);
  const { snapshots } = await server.ok('GET', '/snapshots');
  const vms = (await server.ok('GET', '/vms?status=all')).total;
  return { vm, processes, forwards, policy, previews, limits, snapshots, vms };
}

test('every REST route answers a stranger as if the thing were not there, and changes nothing', async () => {
  const before = await factsOf(box);
  let asked = 0;
  for (const role of strangers) {
    for (const [operation, route] of entries) {
      const isOfVm = route.path.includes('{id}');
      if ((!isOfVm && !route.path.includes('{snapshot}')) || route.responseType === 'websocket') continue;
      const answerFor = async (ref: string): Promise<readonly [number, string, string]> => {
        const form = new FormData();
        form.set('path', '/tmp/x');
        form.set('file', new Blob(['x']), 'x');
        const { status, bytes, headers } = await server.call(route.method, `${named(route, ref)}${queryOf(route)}`, {
          key: others[role].key,
          ...(route.body === undefined ? {} : { body: bodies[operation] ?? {} }),
          ...(route.bodyType === 'raw' ? { raw: Buffer.from('x'), headers: { 'content-type': 'text/plain' } } : {}),
          ...(route.bodyType === 'multipart' ? { raw: form } : {}),
        });
        return [status, bytes.toString().replaceAll(ref, 'REF'), headers.get('content-type') ?? ''];
      };
      const missing = await answerFor(nobodys);
      const [id, name] = isOfVm ? [box, 'anns-box'] : [snapshot, 'anns-snapshot'];
      for (const ref of [id, name, id.slice(0, 8)]) {
        assert.deepEqual(await answerFor(ref), missing, `${operation} as ${role}: ${ref}`);
        asked += 1;
      }
      const may = rolePermissions[role].some((each) => each === route.permission);
      const expected = !may ? 'forbidden' : isOfVm ? 'sandbox_not_found' : 'snapshot_not_found';
      assert.equal(JSON.parse(missing[1]).error.code, expected, `${operation} as ${role}: ${missing[1]}`);
    }
  }
  assert.ok(asked > 300, String(asked));
  assert.deepEqual(await factsOf(box), before);
});

test('policies with names answer a stranger as if they were not there; those of the host are for all to name', async () => {
  const policy = { otherwise: 'deny' };
  const made = await server.call('POST', '/network/policies', { key: ann.key, body: { name: 'anns-web', policy } });
  assert.deepEqual([made.status, made.body.owner], [201, ann.owner]);
  await server.ok('POST', '/network/policies', { name: 'of-the-host', policy });
  const ofBox = async (key: string, choice: string) =>
    (await server.call('PUT', `/vms/${box}/network/policy`, { key, body: { policy: choice } })).status;
  assert.deepEqual([await ofBox(ann.key, 'anns-web'), await ofBox(ann.key, 'of-the-host')], [200, 200]);
  const taken = { key: ann.key, body: { name: 'of-the-host', policy } };
  assert.equal((await server.call('POST', '/network/policies', taken)).status, 409, 'nobody else means another by it');
  for (const role of strangers) {
    const { key } = others[role];
    const { policies } = (await server.call('GET', '/network/policies', { key })).body;
    assert.deepEqual(policies, [], `${role} lists none`);
    for (const [method, body] of [['GET'], ['PUT', { policy }], ['DELETE']] as const) {
      const answerFor = async (ref: string) => {
        const path = `/network/policies/${ref}`;
        const { status, bytes } = await server.call(method, path, { key, ...(body === undefined ? {} : { body }) });
        return [status, bytes.toString().replaceAll(ref, 'REF')];
      };
      const missing = await answerFor(nobodys);
      assert.ok(missing[0] === 404 || (role === 'readonly' && missing[0] === 403), `${method} as ${role}`);
      for (const ref of ['anns-web', made.body.id, 'of-the-host'])
        assert.deepEqual(await answerFor(ref), missing, `${method} as ${role}: ${ref}`);
    }
    const tested = await server.call('POST', '/network/policies/test', {
      key,
      body: { policy: 'anns-web', to: { host: 'a.example', port: 443 } },
    });
    assert.equal(tested.status, 404, `${role} tests it`);
  }
  assert.equal(await ofBox(ann.key, 'all'), 200);
  for (const [key, name] of [
    [ann.key, 'anns-web'],
    [server.key, 'of-the-host'],
  ] as const)
    assert.equal((await server.call('DELETE', `/network/policies/${name}`, { key })).status, 204);
});

const isBelow = (url: string): boolean => /^\/(v2\/)?sandboxes\/:id\//.test(url);

test("so does every route of E2B's control plane", async () => {
  const before = await factsOf(box);
  const urls = registered.filter(({ url }) => /^\/((v2\/)?sandboxes|templates)\/:id$/.test(url) || isBelow(url));
  assert.ok(urls.length > 10);
  for (const role of strangers) {
    for (const { method, url } of urls) {
      const answerFor = async (ref: string) => {
        const { status, bytes } = await server.call(method, `/${url.replace(':id', ref)}`, {
          key: others[role].e2bKey,
          ...(method === 'GET' ? {} : { body: { timeout: 1 } }),
        });
        return [status, bytes.toString().replaceAll(ref, 'REF')];
      };
      const missing = await answerFor(nobodys);
      assert.ok([403, 404, 501].includes(Number(missing[0])), `${method} ${url} as ${role}: ${missing.join()}`);
      for (const ref of [box, 'anns-box', box.slice(0, 8), snapshot, 'anns-snapshot', 'anns-snapshot:default'])
        assert.deepEqual(await answerFor(ref), missing, `${method} ${url} as ${role}`);
    }
  }
  assert.deepEqual(await factsOf(box), before);
});

test('so does every WebSocket, with a key as with a ticket', async () => {
  const before = await factsOf(box);
  const ticketOf = async (key: string): Promise<string> =>
    (await server.call('POST', '/auth/ws-ticket', { key })).body.ticket;
  for (const role of strangers) {
    for (const [operation, route] of entries) {
      if (route.responseType !== 'websocket' || !route.path.includes('{id}')) continue;
      const talk = async (ref: string, ticket: string | null): Promise<string> => {
        const query = new URLSearchParams({ path: '/tmp', ...(ticket === null ? {} : { ticket }) });
        const socket = new WebSocket(
          `${server.url.replace('http', 'ws')}/api/v1${named(route, ref)}?${query.toString()}`,
          {
            headers: ticket === null ? { 'x-api-key': others[role].key } : {},
          },
        );
        const said: string[] = [];
        socket.on('message', (data: Buffer) => said.push(data.toString()));
        socket.on('open', () => socket.send(JSON.stringify({ type: 'start', command: 'true' })));
        socket.on('error', () => undefined);
        socket.on('unexpected-response', (_request, response) => {
          said.push(String(response.statusCode));
          socket.terminate();
        });
        const code = await new Promise<number>((resolve) => socket.on('close', resolve));
        return `${said.join()} ${code}`.replaceAll(ref, 'REF');
      };
      for (const withTicket of [false, true]) {
        const ticket = async () => (withTicket ? ticketOf(others[role].key) : null);
        const missing = await talk(nobodys, await ticket());
        const may = rolePermissions[role].some((each) => each === route.permission);
        assert.match(missing, may ? /sandbox_not_found/ : /^403 /, `${operation} as ${role}`);
        for (const ref of [box, 'anns-box']) assert.equal(await talk(ref, await ticket()), missing, operation);
      }
    }
  }
  assert.deepEqual(await factsOf(box), before);
});

test('no route without a sandbox in its path tells a stranger of one; its owner is told', async () => {
  const secrets = [box, 'anns-box', snapshot, 'anns-snapshot', ann.owner];
  // A measurement has been made, so there is something to leak.
  const metricsOf = async (key: string) => (await server.call('GET', '//metrics', { key })).bytes.toString();
  await eventually('a measurement', async () => (await metricsOf(ann.key)).includes(box));
  const paths = [
    ...entries
      .filter(
        ([, { method, path, responseType }]) => method === 'GET' && !path.includes('{') && responseType === undefined,
      )
      .map(([, { path }]) => path),
    ...['/vms?status=all', `/vms?status=all&owner=${ann.owner}`, '/vms?status=all&label=project=x'],
    ...['//status', '//metrics', '//ready', '//v2/sandboxes', '//sandboxes', '//v2/sandboxes?metadata=project%3Dx'],
    ...['//snapshots', `//snapshots?sandboxID=${box}`, '/snapshots?label=project=x'],
  ];
  for (const path of paths) {
    for (const role of strangers) {
      const text = (await server.call('GET', path, { key: others[role].key })).bytes.toString();
      for (const secret of secrets) assert.ok(!text.includes(secret), `${path} as ${role} tells of ${secret}`);
    }
  }
  for (const path of ['/vms', '//metrics', '//v2/sandboxes', '/snapshots', '//snapshots?limit=1'])
    assert.ok(
      (await server.call('GET', path, { key: ann.key })).bytes
        .toString()
        .includes(path.includes('snapshots') ? 'anns-snapshot' : box),
      path,
    );
  for (const role of strangers) {
    assert.equal((await server.call('GET', '//status', { key: others[role].key })).body.vms.running, 0);
    assert.equal((await server.call('GET', '/system/metrics', { key: others[role].key })).body.vms_running, 0);
  }
  assert.equal((await server.call('GET', '/resources/usage', { key: others.power_user.key })).body.allocated.vms, 0);
  assert.equal((await server.ok('GET', '/resources/usage')).allocated.vms, 1);
  // A route without a key shows nobody's sandboxes.
  assert.ok(!(await server.call('GET', '//ready', { key: null })).bytes.toString().includes(box));
});
