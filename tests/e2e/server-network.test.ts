import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';

/** Counts what comes until the other side has ended, then says how much it was. */
const counting = `import socket
s = socket.create_server(('127.0.0.1', 7777))
while True:
    c, _ = s.accept(); n = 0
    while True:
        d = c.recv(65536)
        if not d: break
        n += len(d)
    c.sendall(b'got %d' % n); c.close()`;

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

/** What comes back when so many bytes are sent and then no more; null: the connection was reset. */
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
  // A connection that was open ends with it.
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
  // The VM may be started again: the port stays its own, and leads nowhere meanwhile.
  assert.equal(await asked(port, 1), null);
  assert.ok((await server.ok('GET', '/vms/box/network/port-forwards')).forwards.length > 0);
  await server.ok('DELETE', '/vms/box');
  const free = createServer();
  await once(free.listen(port, '127.0.0.1'), 'listening');
  free.close();
});
