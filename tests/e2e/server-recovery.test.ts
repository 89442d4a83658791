import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { test } from 'node:test';
import { createEngine, processesNaming } from '@novasandbox/engine';
import { freePort } from '../support/free-port.ts';
import { findLeaks } from '../support/leaks.ts';
import { cliUnderTest, finished } from '../support/nova-cli.ts';
import { eventually } from '../support/eventually.ts';
import { listen, serverUnderTest } from '../support/server.ts';
import { once } from 'node:events';

test('kill -9 of the daemon: VMs run on, the next daemon has them, their commands, exit codes and timers', async () => {
  await using server = await serverUnderTest();
  const { id, expires_at } = await server.vm({ name: 'survivor', timeout_seconds: 600 });
  const brief = await server.vm({ timeout_seconds: 4 });
  const command = 'echo before; sleep 1; echo after; exit 7';
  const { process_id } = await server.ok('POST', `/vms/${id}/processes`, { command });
  const idle = await server.vm({ idle_timeout_seconds: 1000 });
  const { key } = await server.ok('POST', '/security/api-keys', { name: 'kept' });
  await server.end('SIGKILL');
  assert.ok(existsSync(server.home.layout.daemon.socket), 'a killed daemon leaves its socket');
  // The next daemon removes files of sandboxes that no store knows.
  await mkdir(server.home.layout.sandbox('orphan00000000000000'));
  {
    await using engine = await createEngine({ home: server.home.home });
    await eventually('the command has ended, and no daemon was there', async () =>
      (await engine.exec.list(id)).every(({ running }) => !running),
    );
  }

  await server.restart();
  assert.ok(!existsSync(server.home.layout.sandbox('orphan00000000000000')));
  const after = await server.ok('GET', '/vms/survivor');
  assert.deepEqual([after.id, after.status, after.expires_at], [id, 'running', expires_at]);
  const output = (
    await server.call('GET', `/vms/${id}/processes/${process_id}/output?stdout_offset=7`)
  ).bytes.toString();
  assert.match(output, new RegExp(Buffer.from('after\n').toString('base64')));
  assert.match(output, /"exit_code":7/);
  assert.equal((await server.ok('GET', `/vms/${idle.id}/limits`)).idle_timeout_seconds, 1000);
  assert.equal((await server.call('GET', '/vms', { key })).status, 200);
  await eventually(
    'the time to live is kept',
    async () => (await server.ok('GET', `/vms/${brief.id}`)).status === 'stopped',
  );
  assert.match((await server.ok('GET', `/vms/${brief.id}`)).reason, /time to live/);
});

test('a machine that went down: its VMs are stopped, keep their disks and start again', async () => {
  await using server = await serverUnderTest();
  const { layout } = server.home;
  const { id } = await server.vm({ name: 'kept' });
  await server.ok('POST', '/vms/kept/execute', { command: 'echo data > file; sync' });
  // All processes are killed at once, and the files in /run are removed.
  await server.end('SIGKILL');
  for (const { pid } of processesNaming(layout.sockets(id))) process.kill(pid, 'SIGKILL');
  await rm(layout.run, { recursive: true });
  await server.restart();
  const found = await server.ok('GET', '/vms/kept');
  assert.equal(found.status, 'stopped');
  assert.ok(found.reason.length > 0);
  assert.equal((await server.ok('POST', '/vms/kept/start')).status, 'running');
  assert.equal((await server.ok('POST', '/vms/kept/execute', { command: 'cat file' })).stdout, 'data\n');
});

test('a daemon that is killed while it makes VMs leaves nothing but what it had finished', async () => {
  await using server = await serverUnderTest();
  await server.vm();
  const pending = [1, 2].map(() => server.vm().catch(() => null));
  await new Promise((resolve) => setTimeout(resolve, 120));
  await server.end('SIGKILL');
  await Promise.all(pending);
  await server.restart();
  const { vms } = await server.ok('GET', '/vms?status=all');
  assert.ok(vms.every(({ status }: { status: string }) => status === 'running'));
  for (const { id } of vms) await server.call('DELETE', `/vms/${id}`);
  await eventually('nothing is left', async () => (await findLeaks(server.home.layout)).length === 0);
});

test('an idle VM is stopped or put away; a command and a guest that computes keep it', async () => {
  await using server = await serverUnderTest();
  const run = async (vm: { id: string }, command: string): Promise<string> =>
    (await server.ok('POST', `/vms/${vm.id}/execute`, { command })).stdout;
  const statusOf = async ({ id }: { id: string }): Promise<string> => (await server.ok('GET', `/vms/${id}`)).status;
  /** Runs a command that nobody is attached to. */
  const keepBusy = async ({ id }: { id: string }): Promise<AsyncDisposable> => {
    const { process_id } = await server.ok('POST', `/vms/${id}/processes`, { command: 'sleep 100000' });
    const end = `/vms/${id}/processes/${process_id}/signal`;
    return { [Symbol.asyncDispose]: () => server.ok('POST', end, { signal: 'SIGKILL' }) };
  };
  const small = { idle_timeout_seconds: 3, memory_mb: 256, auto_resume: true };

  const busy = await server.vm(small);
  const command = await keepBusy(busy);
  const computes = await server.vm({ ...small, on_timeout: 'hibernate' });
  await run(computes, 'nohup sh -c "while :; do :; done" >/dev/null 2>&1 & echo $! >/dev/shm/pid');
  const pauses = await server.vm({ ...small, on_timeout: 'pause' });
  const idle = await server.vm({ ...small, on_timeout: 'stop' });
  const socket = server.socket(`/vms/${idle.id}/events`);
  const { texts } = listen(socket);
  await once(socket, 'open');

  await eventually('the idle one is stopped', async () => (await statusOf(idle)) === 'stopped');
  await eventually('which is told', () => texts.some(({ type }) => type === 'vm.stopped'));
  // The others have been without a client for as long.
  assert.deepEqual(await Promise.all([busy, computes].map(statusOf)), ['running', 'running']);
  await command[Symbol.asyncDispose]();
  await eventually('another is paused', async () => (await statusOf(pauses)) === 'paused');
  await eventually('its command has ended', async () => (await statusOf(busy)) === 'stopped');
  assert.equal(await statusOf(computes), 'running');
  await run(computes, 'kill $(cat /dev/shm/pid)');
  for (const lines of ['1\n', '2\n']) {
    await eventually('it computes no more', async () => (await statusOf(computes)) === 'hibernated');
    assert.equal(await run(computes, 'echo line >>/dev/shm/lines; cat /dev/shm/lines | wc -l'), lines);
  }
  assert.equal(await run(pauses, 'echo woken'), 'woken\n');
  socket.close();
});

/** Answers each piece that it is sent. The guest takes hardly any CPU time for it. */
const answering = `import pathlib, socket
s = socket.create_server(('', 8080)); pathlib.Path('/dev/shm/ready').touch()
while True:
    c, _ = s.accept()
    while c.recv(4096): c.sendall(b'.')
    c.close()`;

/** Sends a little to a port of the host, again and again, until it is disposed. */
async function talkTo(port: number): Promise<Disposable & { readonly answers: () => number }> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let answers = 0;
  socket.on('data', (data) => (answers += data.length));
  socket.on('error', () => undefined);
  const timer = setInterval(() => socket.write(Buffer.alloc(200, 'x')), 250);
  return {
    answers: () => answers,
    [Symbol.dispose]() {
      clearInterval(timer);
      socket.destroy();
    },
  };
}

test('traffic of a forwarded port keeps its VM from being idle, for as long as it lasts', async () => {
  await using server = await serverUnderTest();
  const statusOf = async ({ id }: { id: string }): Promise<string> => (await server.ok('GET', `/vms/${id}`)).status;
  const small = { idle_timeout_seconds: 3, memory_mb: 256, on_timeout: 'stop' };
  const hostPort = await freePort();
  const byConfig = await server.vm({ ...small, host_port: hostPort, guest_port: 8080 });
  const byForward = await server.vm(small);
  for (const { id } of [byConfig, byForward]) {
    // In the background of a command that has ended: what the guest runs by itself keeps nothing alive.
    const command = `nohup python3 -c "$1" >/dev/null 2>&1 & until [ -e /dev/shm/ready ]; do sleep 0.1; done`;
    await server.ok('POST', `/vms/${id}/execute`, { command: ['sh', '-c', command, 'sh', answering] });
  }
  const forward = await server.ok('POST', `/vms/${byForward.id}/network/port-forwards`, { guest_port: 8080 });
  {
    using atConfig = await talkTo(hostPort);
    using atForward = await talkTo(forward.host_port);
    const idle = await server.vm(small);
    for (const time of ['once', 'twice']) {
      await eventually(`another is stopped ${time}`, async () => (await statusOf(idle)) === 'stopped');
      assert.deepEqual(await Promise.all([byConfig, byForward].map(statusOf)), ['running', 'running'], time);
      if (time === 'once') await server.ok('POST', `/vms/${idle.id}/start`);
    }
    assert.ok(atConfig.answers() > 0 && atForward.answers() > 0, 'the guests have answered');
  }
  for (const vm of [byConfig, byForward])
    await eventually('without traffic it is idle', async () => (await statusOf(vm)) === 'stopped');
});

test('a VM made or ended by another process of the host is seen', async () => {
  await using server = await serverUnderTest();
  const socket = server.socket('/system/events');
  const { texts } = listen(socket);
  await once(socket, 'open');
  await using engine = await createEngine({ home: server.home.home });
  const { id } = await engine.sandboxes.create({ name: 'foreign' });
  await eventually('it is told', () => texts.some(({ type, vm_id }) => type === 'vm.created' && vm_id === id));
  assert.equal((await server.ok('POST', '/vms/foreign/execute', { command: 'echo hi' })).stdout, 'hi\n');
  await engine.sandboxes.remove(id, { force: true });
  await eventually('its end too', () => texts.some(({ type, vm_id }) => type === 'vm.removed' && vm_id === id));
  socket.close();
});

test('a graceful end leaves VMs, or stops them where configured; two daemons do not share a state folder', async () => {
  await using server = await serverUnderTest({ NOVA_SERVER_SHUTDOWN: 'stop' });
  await server.vm({ name: 'box' });
  await using cli = await cliUnderTest();
  const second = await finished(cli.start(['serve', '--port', '0'], { env: { NOVA_HOME: server.home.home } }));
  assert.equal(second.code, 1);
  assert.match(second.stderr, /Another daemon uses this state folder/);
  assert.equal(await server.end('SIGTERM'), 0);
  assert.ok(!existsSync(server.home.layout.daemon.socket));
  {
    await using engine = await createEngine({ home: server.home.home });
    assert.equal((await engine.sandboxes.get('box')).state, 'stopped');
  }
  await server.restart();
  assert.equal((await server.ok('POST', '/vms/box/start')).status, 'running');
});

test('nova config shows what comes out, without secrets, and names what is wrong', async () => {
  await using cli = await cliUnderTest();
  const shown = await cli.nova(['config', 'show', '--port', '9000'], {
    env: { NOVA_API_KEY: `nova_${'ab'.repeat(20)}`, NOVA_RESOURCES_MAX_VMS: '7' },
  });
  const config = JSON.parse(shown.stdout) as {
    server: { port: number };
    resources: { max_vms: number };
    security: { api_key: string };
  };
  assert.deepEqual([config.server.port, config.resources.max_vms, config.security.api_key], [9000, 7, '[redacted]']);
  assert.ok(!shown.stdout.includes('abab'));
  assert.equal(await cli.ok('config', 'validate'), 'The configuration is valid.');
  const wrong = await cli.nova(['config', 'validate'], {
    env: { NOVA_SERVER_PORT: '99999', NOVA_SERVER_COLOUR: 'red' },
  });
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /server\.port/);
  assert.match(wrong.stderr, /colour/);
});
