import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { finished, novaCommand } from '../support/nova-cli.ts';
import { eventually } from '../support/eventually.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';
import { whyNoSlots } from '../support/slots.ts';

const noSlots = await whyNoSlots();

/** Counts the bytes until the other side has ended, then returns the number. */
const counting = `import socket
s = socket.create_server(('127.0.0.1', 7777))
while True:
    c, _ = s.accept(); n = 0
    while True:
        d = c.recv(65536)
        if not d: break
        n += len(d)
    c.sendall(b'got %d' % n); c.close()`;

/** Answers with what it was sent, refuses hosts that are not its own as Vite does, and echoes after an upgrade. */
const devServer = `import http.server, json
class Dev(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        if self.headers['host'] != 'localhost:5173':
            self.send_response(418); self.send_header('content-length', '0'); self.end_headers(); return
        if self.headers.get('upgrade') == 'echo':
            self.send_response(101); self.send_header('connection', 'upgrade'); self.send_header('upgrade', 'echo')
            self.end_headers(); self.wfile.flush()
            while True:
                data = self.connection.recv(65536)
                if not data: return
                self.connection.sendall(data)
        seen = {'path': self.path, 'headers': {name.lower(): value for name, value in self.headers.items()}}
        body = json.dumps(seen).encode()
        self.send_response(200); self.send_header('content-length', str(len(body))); self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(('127.0.0.1', 5173), Dev).serve_forever()`;

let server: ServerUnderTest;
let id: string;

before(async () => {
  server = await serverUnderTest({ NOVA_MONITORING_INTERVAL_SECONDS: '1', NOVA_RESOURCES_MAX_VMS: '9' });
  ({ id } = await server.vm({ name: 'box', vcpus: 1, memory_mb: 512, disk_mb: 1024 }));
  await server.ok('POST', `/vms/${id}/processes`, { command: ['python3', '-c', counting] });
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
});

/** The answer after so many bytes were sent and no more; null: the connection was reset. */
async function asked(port: number, bytes: number): Promise<string | null> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (data) => (answer += data.toString()));
  const failed = new Promise<null>((resolve) => socket.on('error', () => resolve(null)));
  socket.end(Buffer.alloc(bytes, 'x'));
  return Promise.race([once(socket, 'close').then(() => (answer === '' ? null : answer)), failed]);
}

test('a port of the host leads into the guest until it is taken back; each direction ends by itself', async () => {
  const made = await server.call('POST', '/vms/box/network/port-forwards', { body: { guest_port: 7777 } });
  assert.equal(made.status, 201, made.bytes.toString());
  const { id: forward, host_port: port } = made.body;
  assert.deepEqual(
    [made.body.protocol, made.body.host_address, made.body.guest_port, made.body.listening, made.body.made_with_vm],
    ['tcp', '127.0.0.1', 7777, true, false],
  );
  await eventually('the guest listens', async () => (await asked(port, 10)) === 'got 10');
  assert.equal(await asked(port, 1_000_000), 'got 1000000');
  assert.deepEqual((await server.ok('GET', '/vms/box/network/port-forwards')).forwards, [made.body]);
  const taken = await server.call('POST', '/vms/box/network/port-forwards', {
    body: { guest_port: 7777, host_port: port },
  });
  assert.deepEqual([taken.status, taken.body.error.code], [409, 'port_in_use']);

  const waiting = connect(port, '127.0.0.1').resume();
  waiting.on('error', () => undefined);
  await once(waiting, 'connect');
  assert.equal((await server.call('DELETE', `/vms/box/network/port-forwards/${forward}`)).status, 204);
  // An open connection ends with it.
  if (!waiting.destroyed) await once(waiting, 'close');
  assert.equal(await asked(port, 1), null);
  assert.equal((await server.call('DELETE', `/vms/box/network/port-forwards/${forward}`)).status, 404);
});

test('a port that leads nowhere in the guest resets, and UDP says that it is not there yet', async () => {
  const { host_port } = await server.ok('POST', '/vms/box/network/port-forwards', { guest_port: 9 });
  assert.equal(await asked(host_port, 10), null);
  const udp = await server.call('POST', '/vms/box/network/port-forwards', {
    body: { guest_port: 53, protocol: 'udp' },
  });
  assert.deepEqual([udp.status, udp.body.error.code], [501, 'not_implemented']);
  const nobody = await server.call('POST', '/vms/nobody/network/port-forwards', { body: { guest_port: 1 } });
  assert.equal(nobody.body.error.code, 'sandbox_not_found');
});

test('firewall rules are rules of the policy of a VM, in the order in which they came', { skip: noSlots }, async () => {
  const rules = '/vms/box/network/firewall-rules';
  const add = async (body: Record<string, unknown>) => server.call('POST', rules, { body });
  const policy = async () => (await server.ok('GET', '/vms/box/network/policy')).policy;
  assert.deepEqual(await server.ok('GET', rules), { rules: [] });
  const first = await add({ rule_type: 'allow', action: 'ACCEPT', dest_ip: '192.0.2.0/24', dest_port: 443 });
  assert.equal(first.status, 201, first.bytes.toString());
  const others = [{ rule_type: 'deny', dest_ip: '192.0.2.7', dest_port: '1-1024' }, { rule_type: 'deny' }];
  const added = await Promise.all(others.map(add));
  const { id, ...told } = first.body;
  assert.deepEqual(told, { rule_type: 'allow', protocol: 'tcp', dest_ip: '192.0.2.0/24', dest_port: 443 });
  const listed = (await server.ok('GET', rules)).rules as { id: string }[];
  // None of those that were added at once was lost.
  assert.deepEqual(new Set(listed.map((each) => each.id)), new Set([id, ...added.map(({ body }) => body.id)]));
  const { rules: applied, otherwise } = await policy();
  assert.deepEqual(
    [applied[0].action, applied[0].cidr, applied.length, otherwise],
    ['allow', '192.0.2.0/24', 3, 'allow'],
  );
  for (const [body, status] of [
    [{ rule_type: 'deny', protocol: 'udp' }, 501],
    [{ rule_type: 'port_forward' }, 501],
    [{ rule_type: 'deny', source_ip: '10.0.0.1' }, 501],
    [{ rule_type: 'deny', action: 'ACCEPT' }, 422],
    [{ rule_type: 'deny', dest_ip: 'example.com' }, 422],
  ] as const)
    assert.equal((await add(body)).status, status, JSON.stringify(body));
  assert.equal((await server.call('DELETE', `${rules}/nothing`)).status, 404);
  for (const each of listed) assert.equal((await server.call('DELETE', `${rules}/${each.id}`)).status, 204);
  assert.equal(await policy(), 'all');

  // A policy that other VMs may have is not changed for one of them.
  await server.ok('POST', '/network/policies', { name: 'shared', policy: { otherwise: 'deny' } });
  await server.ok('PUT', '/vms/box/network/policy', { policy: 'shared' });
  assert.deepEqual(await server.ok('GET', rules), { rules: [] });
  assert.equal((await add({ rule_type: 'deny' })).status, 409);
  await server.ok('PUT', '/vms/box/network/policy', { policy: 'all' });
});

test('the port a VM was made with is listed, stays, and is not given out again', async () => {
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  free.close();
  const vm = await server.vm({ host_port: port, guest_port: 7777 });
  const { forwards } = await server.ok('GET', `/vms/${vm.id}/network/port-forwards`);
  assert.deepEqual(
    forwards.map((each: Record<string, unknown>) => [each['id'], each['host_port'], each['made_with_vm']]),
    [['config', port, true]],
  );
  assert.equal((await server.call('DELETE', `/vms/${vm.id}/network/port-forwards/config`)).status, 409);
  const again = await server.call('POST', '/vms/box/network/port-forwards', {
    body: { guest_port: 7777, host_port: port },
  });
  assert.deepEqual([again.status, again.body.error.code], [409, 'port_in_use']);
  await server.ok('DELETE', `/vms/${vm.id}`);
});

test('a port that is taken names the VM that has it; nova port lists, adds and removes ranges, all or none', async () => {
  const nova = async (...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
    const child = spawn(process.execPath, [...novaCommand.slice(1), ...argv], { env: server.home.env });
    return finished(child);
  };
  const first = await freeRange(4);
  const range = `${first}-${first + 2}:7777-7779`;
  const made = await nova('port', 'add', 'box', range);
  assert.equal(made.stdout, [0, 1, 2].map((step) => `127.0.0.1:${first + step}\n`).join(''), made.stderr);
  assert.equal(await asked(first, 12), 'got 12');
  const taken = await server.call('POST', '/vms/box/network/port-forwards', {
    body: { guest_port: 1, host_port: first },
  });
  assert.deepEqual([taken.status, taken.body.error.code, taken.body.error.details.holder], [409, 'port_in_use', id]);
  assert.match(taken.body.error.message, /leads to the VM box already/);
  // The last one of the range is taken: none of the others is left.
  const before = await nova('port', 'ls', '--json', 'box');
  const partly = await nova('port', 'rm', 'box', `${first}-${first + 1}`);
  assert.equal(partly.code, 0, partly.stderr);
  const refused = await nova('port', 'add', 'box', range);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, new RegExp(`${first + 2} leads to the VM box already`));
  assert.equal(await asked(first, 1), null);
  assert.match((await nova('port', 'ls', 'box')).stdout, new RegExp(`127.0.0.1:${first + 2} +7779/tcp +open`));
  assert.equal(JSON.parse(before.stdout).length >= 3, true);
  assert.equal((await nova('port', 'rm', 'box', String(first + 2))).code, 0);
  assert.match((await nova('port', 'rm', 'box', String(first + 2))).stderr, /does not lead to this sandbox/);
  assert.match((await nova('--embedded', 'port', 'ls', 'box')).stderr, /nova ssh -N -L/);
});

test('a preview address opens one port to whoever has it, as a dev server expects, until it is revoked', async () => {
  await server.ok('POST', `/vms/${id}/processes`, { command: ['python3', '-c', devServer] });
  const made = await server.ok('POST', '/vms/box/network/previews', { port: 5173 });
  const { pathname, search, host } = new URL(made.url);
  const visit = (path: string, headers: Readonly<Record<string, string>> = {}): Promise<Visited> =>
    visited(server.url, path, { host, ...headers });
  await eventually(
    'the dev server answers',
    async () => (await visit('/', { 'nova-preview-token': made.token })).status === 200,
  );
  const first = await visit(pathname + search);
  assert.deepEqual([first.status, first.headers.location], [303, '/']);
  const cookie = String(first.headers['set-cookie']).split(';')[0] ?? '';
  const page = await visit('/page?q=1', { cookie: `a=b; ${cookie}`, origin: `http://${host}` });
  assert.equal(page.status, 200, page.text);
  const seen = JSON.parse(page.text);
  assert.deepEqual(
    [seen.path, seen.headers.host, seen.headers.cookie, seen.headers.origin],
    ['/page?q=1', 'localhost:5173', 'a=b', 'http://localhost:5173'],
  );
  assert.ok(!page.text.includes(made.token));
  // Another port, no token, and a wrong one are refused.
  assert.equal((await visited(server.url, '/', { host: host.replace('5173', '7777'), cookie })).status, 403);
  assert.equal((await visit('/')).status, 403);
  assert.equal((await visit('/', { cookie: `${cookie}0` })).status, 403);
  // Where the host is kept, the dev server refuses it as Vite does.
  const kept = await server.ok('POST', '/vms/box/network/previews', { port: 5173, rewrite_host: false });
  assert.equal((await visit('/', { 'nova-preview-token': kept.token })).status, 418);

  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  const lines = ['GET /hmr HTTP/1.1', `Host: ${host}`, `Cookie: ${cookie}`, 'Connection: Upgrade', 'Upgrade: echo', ''];
  socket.write(`${lines.join('\r\n')}\r\n`);
  socket.on('error', () => undefined);
  let answer = '';
  socket.on('data', (data) => (answer += data.toString()));
  await eventually('the upgrade is through', () => answer.includes('101'));
  socket.write('hello');
  await eventually('the guest echoes', () => answer.endsWith('hello'));
  const { previews } = await server.ok('GET', '/vms/box/network/previews');
  assert.deepEqual(
    previews.map((each: { id: string }) => each.id),
    [made.id, kept.id],
  );
  const closed = once(socket, 'close');
  assert.equal((await server.call('DELETE', `/vms/box/network/previews/${made.id}`)).status, 204);
  await closed;
  assert.equal((await visit('/', { cookie })).status, 403);
});

test('networks of the host and a VM, what VMs were given and use', async () => {
  const { interfaces } = await server.ok('GET', '/network/interfaces');
  assert.ok(
    interfaces.some(
      (each: { loopback: boolean; addresses: string[] }) => each.loopback && each.addresses.includes('127.0.0.1/8'),
    ),
  );
  await eventually('it has been measured', async () => (await server.ok('GET', '/vms/box/network')).rx_bytes !== null);
  const network = await server.ok('GET', '/vms/box/network');
  assert.deepEqual([network.enabled, network.tx_bytes >= 0], [true, true]);

  const { allocations } = await server.ok('GET', '/resources/allocations');
  assert.deepEqual(allocations, [
    { vm_id: id, name: 'box', owner: null, team: null, status: 'running', vcpus: 1, memory_mb: 512, disk_mb: 1024 },
  ]);
  const usage = await server.ok('GET', '/resources/usage');
  assert.deepEqual(usage.allocated, { vms: 1, vcpus: 1, memory_mb: 512, disk_mb: 1024 });
  assert.deepEqual([usage.used.measured_vms, usage.limits.max_vms], [1, 9]);
  assert.ok(usage.used.memory_mb > 10 && usage.used.memory_mb < 512);
  assert.ok(usage.used.host_memory_mb > 10 && usage.host.memory_total_mb > usage.host.memory_available_mb);
});

test('a forward outlives the daemon that was killed, and goes with its VM', async () => {
  const { host_port: port } = await server.ok('POST', '/vms/box/network/port-forwards', { guest_port: 7777 });
  await server.end('SIGKILL');
  assert.equal(await asked(port, 1), null);
  await server.restart();
  assert.equal(await asked(port, 5), 'got 5');
  await server.ok('POST', '/vms/box/stop', { force: true });
  // The VM may be started again: it keeps the port, which leads nowhere meanwhile.
  assert.equal(await asked(port, 1), null);
  assert.ok((await server.ok('GET', '/vms/box/network/port-forwards')).forwards.length > 0);
  await server.ok('DELETE', '/vms/box');
  const free = createServer();
  await once(free.listen(port, '127.0.0.1'), 'listening');
  free.close();
});

/** The first of so many ports in a row that nobody listens on. */
async function freeRange(count: number): Promise<number> {
  for (let first = 20_000 + (process.pid % 10_000); ; first += count) {
    const servers = Array.from({ length: count }, () => createServer());
    const listening = servers.map(async (each, step) => once(each.listen(first + step, '127.0.0.1'), 'listening'));
    const outcomes = await Promise.allSettled(listening);
    for (const each of servers) each.close();
    if (outcomes.every(({ status }) => status === 'fulfilled')) return first;
  }
}

interface Visited {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Asks the daemon as a browser would that found it under the host of the header. */
async function visited(url: string, path: string, headers: Readonly<Record<string, string>>): Promise<Visited> {
  const asking = request(url, { path, headers }).end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, text };
}
