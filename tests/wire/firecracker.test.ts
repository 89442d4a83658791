import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readlinkSync, statSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createImageSource, layoutAt, openSession, socketPath, type MachineSpec } from '@novasandbox/engine';
import { isNovaError } from '@novasandbox/protocol';
import { kvmGroups } from '../../packages/engine/src/vmm/kvm.ts';
import { connectWhenOpen } from '../../packages/engine/src/vmm/server-socket.ts';
import { identify } from '../../packages/engine/src/vmm/process-identity.ts';
import { unixHttpClient, type UnixHttpClient } from '../../packages/engine/src/vmm/unix-http.ts';
import { connectUnixSocket } from '../../packages/engine/src/vmm/unix-socket.ts';
import { driverSuite } from '../conformance/driver-suite.ts';
import { assertConfined, runAs, withoutRoot } from '../support/confinement.ts';
import { driversOf } from '../support/drivers.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { standInFiles, standInFor } from '../support/stand-in.ts';
import { testHome } from '../support/test-home.ts';

/**
 * The driver at the wire, against a stand-in for Firecracker (tests/support/stand-in). It shows that the driver uses
 * the API in the order and the form that Firecracker accepts. tests/conformance shows that Firecracker then runs a
 * guest, on hosts that have one.
 */
const agent = (await createImageSource(layoutAt()).agent({})).path;
const standIn = await standInFor('firecracker', agent, '1.17.0');
after(() => standIn[Symbol.asyncDispose]());
process.env['NOVA_FIRECRACKER'] = standIn.path;
// Its verdicts are not about this host.
const home = await testHome({ own: ['probes'] });
await mkdir(home.layout.probeDirectory, { recursive: true });
const { driver, guest } = await driversOf(home.layout, 'firecracker', { standIn: true });
const launcher = join(import.meta.dirname, '../support/launch-machine.ts');

driverSuite({
  name: 'firecracker (stand-in)',
  home,
  driver,
  guest,
  standIn: true,
  launcher: ['--disable-warning=ExperimentalWarning', launcher, 'firecracker', '--stand-in'],
});

let sequence = 0;

async function specOf(change: Partial<MachineSpec> = {}): Promise<MachineSpec> {
  const id = `wire${process.pid}x${++sequence}`;
  const directory = home.layout.sandbox(id);
  await mkdir(directory, { recursive: true });
  return {
    id,
    sequence,
    directory,
    socketDirectory: home.layout.sockets(id),
    memoryMb: 128,
    vcpus: 2,
    ...guest,
    drives: [],
    network: { mode: 'none' },
    channels: 2,
    ...change,
  };
}

async function diskOf(spec: MachineSpec, name: string): Promise<string> {
  const path = join(spec.directory, name);
  await writeFile(path, Buffer.alloc(4096));
  return path;
}

/** The configuration that the VMM of a machine reports. */
async function configOf(spec: MachineSpec): Promise<Record<string, unknown>> {
  const http = unixHttpClient(await connectUnixSocket(socketPath(spec.socketDirectory, 'api')));
  try {
    return (await http.call('GET', '/vm/config')).body as Record<string, unknown>;
  } finally {
    http.close();
  }
}

const bucket = (size: number) => ({ size, refill_time: 1000 });

test('a machine is what its spec says: drives in order, limits, network, balloon', async () => {
  const spec = await specOf();
  const drives = [
    { path: await diskOf(spec, 'a'), readOnly: true, foreign: false },
    {
      path: await diskOf(spec, 'b'),
      readOnly: false,
      foreign: false,
      rateLimit: { bytesPerSecond: 1000, operationsPerSecond: 10 },
    },
  ];
  await using machine = await driver.launch({ ...spec, drives, kernelArguments: ['nova.root=vda'] }, {});
  await machine.setBalloon?.(16, {});
  const config = await configOf(spec);
  assert.deepEqual(config['machine-config'], { vcpu_count: 2, mem_size_mib: 128, smt: false });
  assert.deepEqual(config['drives'], [
    { drive_id: 'drive0', path_on_host: 'drive0', is_root_device: false, is_read_only: true, cache_type: 'Unsafe' },
    {
      drive_id: 'drive1',
      path_on_host: 'drive1',
      is_root_device: false,
      is_read_only: false,
      cache_type: 'Writeback',
      rate_limiter: { bandwidth: bucket(1000), ops: bucket(10) },
    },
  ]);
  assert.deepEqual(config['balloon'], { amount_mib: 16, deflate_on_oom: true });
  const { boot_args: words } = config['boot-source'] as { boot_args: string };
  assert.match(words, /\bnova\.channel=vsock:1024 nova\.root=vda$/);
  await machine.stop();
  await rm(spec.directory, { recursive: true });
  await assertNoLeaks(home.layout);
});

test('a clone has its own drives and limits, and runs only once they are set', async () => {
  const spec = await specOf();
  const original = await driver.launch(
    { ...spec, drives: [{ path: await diskOf(spec, 'disk'), readOnly: false, foreign: false }] },
    {},
  );
  const directory = join(spec.directory, 'snapshot');
  await mkdir(directory);
  await original.snapshot?.(directory, {});
  // It goes on as it was.
  const session = await openSession(await original.connect(0, {}), { flush: true });
  await session.ping();
  await session.close();
  await original.snapshot?.(directory, { kind: 'diff' });
  await original.stop();

  const clone = await specOf();
  const rateLimit = { bytesPerSecond: 77 };
  await using machine = await driver.restore?.(
    { ...clone, drives: [{ path: await diskOf(clone, 'own'), readOnly: false, foreign: false, rateLimit }] },
    { directory },
    {},
  );
  assert.ok(machine !== undefined);
  const [drive] = (await configOf(clone))['drives'] as { rate_limiter: unknown }[];
  assert.deepEqual(drive?.rate_limiter, { bandwidth: bucket(77) });
  await (await openSession(await machine.connect(0, {}), { flush: true })).ping();
  await machine.stop();
  for (const each of [spec, clone]) await rm(each.directory, { recursive: true });
  await assertNoLeaks(home.layout);
});

test(
  'a link that Firecracker leaves in the place of a snapshot is not followed',
  { skip: process.getuid?.() === 0 ? false : 'needs root' },
  async () => {
    const spec = await specOf();
    await using machine = await driver.launch(spec, {});
    const out = [join(spec.directory, 'out'), join(spec.directory, 'jail/out')].find((each) => existsSync(each));
    assert.ok(out !== undefined);
    const victim = join(home.home, 'victim');
    await writeFile(victim, '');
    await chmod(victim, 0o666);
    await symlink(victim, join(out, 'ram'));
    const directory = join(spec.directory, 'snapshot');
    await mkdir(directory);
    await assert.rejects(async () => machine.snapshot?.(directory, {}));
    const { uid, gid, mode } = statSync(victim);
    assert.deepEqual([uid, gid, mode & 0o777], [0, 0, 0o666]);
    await machine.stop();
    for (const each of [spec.directory, victim]) await rm(each, { recursive: true });
    await assertNoLeaks(home.layout);
  },
);

test('what Firecracker cannot do is refused before anything is started', async () => {
  for (const change of [
    { network: { mode: 'user', forwards: [] } },
    { firmware: '/fw' },
    { hyperv: true },
  ] satisfies Partial<MachineSpec>[]) {
    const spec = await specOf(change);
    await assert.rejects(driver.launch(spec, {}), (error) => isNovaError(error, 'feature_unsupported'));
    await rm(spec.directory, { recursive: true });
  }
  await assertNoLeaks(home.layout);
});

test('versions before 1.17 get a reset of vsock before they go on', async () => {
  await using other = await standInFor('firecracker', agent, '1.16.1');
  process.env['NOVA_FIRECRACKER'] = other.path;
  try {
    const { driver: older } = await driversOf(home.layout, 'firecracker', { standIn: true });
    const spec = await specOf();
    await using machine = await older.launch(spec, {});
    await machine.pause?.({});
    await machine.resume?.({});
    await (await openSession(await machine.connect(0, {}), { flush: true })).ping({ timeoutMs: 5000 });
    await machine.stop();
    await rm(spec.directory, { recursive: true });
    await assertNoLeaks(home.layout);
  } finally {
    process.env['NOVA_FIRECRACKER'] = standIn.path;
  }
});

test(
  'without its jailer too it has no privileges, and sees nothing of the host but its own files',
  { skip: withoutRoot },
  async () => {
    const spec = await specOf();
    {
      await using machine = await driver.launch(spec, {});
      const { pid } = machine.record;
      const guests = standInFiles(standIn.path)
        .slice(0, 1)
        .map(({ path }) => path);
      assertConfined(pid, { writable: [spec.directory, spec.socketDirectory, ...guests], root: kvmGroups() === null });
      assert.equal(runAs(pid, `[ -r ${guest.kernel} ] || ls -la ${guest.kernel}`).output, '');
      for (const path of ['/etc/passwd', home.layout.storeFile, home.layout.probeDirectory, '/dev/net/tun'])
        assert.notEqual(runAs(pid, `[ -e ${path} ]`).status, 0, path);
    }
    await rm(spec.directory, { recursive: true });
    await assertNoLeaks(home.layout);
  },
);

test(
  'the jailer and what it becomes have no more capabilities than it takes to jail',
  { skip: withoutRoot },
  async () => {
    await using other = await standInFor('firecracker', agent, '1.17.0');
    const jailer = join(home.home, 'jailer');
    const seen = join(home.home, 'seen');
    await writeFile(
      jailer,
      `#!/bin/sh\n{ cat /proc/self/status; readlink /proc/self/ns/ipc /proc/self/ns/uts; } >${seen}\nexit 1\n`,
      {
        mode: 0o755,
      },
    );
    process.env['NOVA_JAILER'] = jailer;
    process.env['NOVA_FIRECRACKER'] = other.path;
    try {
      const { driver: jailed } = await driversOf(home.layout, 'firecracker', { standIn: true, jailed: true });
      const { available } = await jailed.probe();
      assert.ok(!available);
    } finally {
      delete process.env['NOVA_JAILER'];
      process.env['NOVA_FIRECRACKER'] = standIn.path;
    }
    const said = await readFile(seen, 'utf8');
    for (const set of ['CapBnd', 'CapPrm', 'CapEff']) {
      const held = BigInt(`0x${new RegExp(`^${set}:\\s*(\\w+)$`, 'm').exec(said)?.[1] ?? ''}`);
      // From capabilities(7): to change owners, bypass modes, make devices, change users, change roots and mounts,
      // raise limits.
      const allowed = [0, 1, 3, 6, 7, 18, 21, 24, 27].reduce((sum, number) => sum | (1n << BigInt(number)), 0n);
      assert.equal(held & ~allowed, 0n, `${set} ${held.toString(16)}`);
    }
    for (const namespace of ['ipc', 'uts'])
      assert.ok(!said.includes(readlinkSync(`/proc/self/ns/${namespace}`)), namespace);
  },
);

test('a version that is too old is refused with what is needed', async () => {
  await using other = await standInFor('firecracker', agent, '1.16.0');
  process.env['NOVA_FIRECRACKER'] = other.path;
  try {
    const { driver: bad } = await driversOf(home.layout, 'firecracker', { standIn: true });
    const { available, reason } = await bad.probe();
    assert.equal(available, false);
    assert.match(reason, /1\.16\.0.*1\.16\.1/);
    const spec = await specOf();
    await assert.rejects(bad.launch(spec, {}), (error) => isNovaError(error, 'hypervisor_unavailable'));
    await rm(spec.directory, { recursive: true });
  } finally {
    process.env['NOVA_FIRECRACKER'] = standIn.path;
  }
});

/** The stand-in itself: it has to refuse what Firecracker refuses, or it would prove nothing. */
async function withStandIn(body: (http: UnixHttpClient, directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'nova-wire-'));
  const child = spawn(standIn.path, ['--id', 'alone', '--api-sock', join(directory, 'api')], {
    stdio: 'ignore',
    cwd: directory,
  });
  try {
    const identity = identify(child.pid ?? 0);
    assert.ok(identity !== null);
    const http = unixHttpClient(await connectWhenOpen(join(directory, 'api'), { directory }, identity));
    await body(http, directory);
    http.close();
  } finally {
    if (child.exitCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    await rm(directory, { recursive: true });
  }
}

const machineConfig = { vcpu_count: 1, mem_size_mib: 128 };

test('the stand-in refuses what is unknown, missing or of the wrong kind', async () => {
  await withStandIn(async (http) => {
    const status = async (method: 'PUT' | 'PATCH', path: string, body: unknown): Promise<number> =>
      (await http.call(method, path, body)).status;
    assert.equal(await status('PUT', '/machine-config', machineConfig), 204);
    assert.equal(await status('PUT', '/machine-config', { ...machineConfig, cores: 1 }), 400);
    assert.equal(await status('PUT', '/machine-config', { vcpu_count: 1 }), 400);
    assert.equal(await status('PUT', '/machine-config', { ...machineConfig, smt: 'no' }), 400);
    assert.equal(await status('PUT', '/machine-config', { ...machineConfig, vcpu_count: 33 }), 400);
    assert.equal(await status('PUT', '/machine', machineConfig), 400);
    assert.equal(await status('PUT', '/vsock', { guest_cid: 2, uds_path: '/tmp/x' }), 400);
    assert.equal(await status('PUT', '/drives/a', { drive_id: 'b', is_root_device: false }), 400);
    assert.equal(await status('PUT', '/boot-source', { kernel_image_path: '/nonexistent' }), 400);
    const { body } = await http.call('PUT', '/actions', { action_type: 'InstanceStart' });
    assert.match(JSON.stringify(body), /fault_message.*kernel/);
  });
});

test('the stand-in refuses what comes in the wrong order', async () => {
  await withStandIn(async (http, directory) => {
    const fault = async (method: 'PUT' | 'PATCH', path: string, body: unknown): Promise<string> => {
      const answer = await http.call(method, path, body);
      return answer.status === 204 ? '' : JSON.stringify(answer.body);
    };
    const files = { snapshot_path: join(directory, 'state'), mem_file_path: join(directory, 'ram') };
    const load = {
      snapshot_path: files.snapshot_path,
      mem_backend: { backend_type: 'File', backend_path: files.mem_file_path },
    };
    assert.match(await fault('PATCH', '/vm', { state: 'Paused' }), /before starting/);
    assert.match(await fault('PUT', '/snapshot/create', files), /before starting/);
    await writeFile(join(directory, 'kernel'), '');
    assert.equal(await fault('PUT', '/boot-source', { kernel_image_path: 'kernel' }), '');
    assert.equal(await fault('PUT', '/vsock', { guest_cid: 3, uds_path: join(directory, 'vsock') }), '');
    assert.match(await fault('PUT', '/snapshot/load', load), /not allowed after configuring/);
    assert.equal(await fault('PUT', '/actions', { action_type: 'InstanceStart' }), '');
    assert.match(await fault('PUT', '/actions', { action_type: 'InstanceStart' }), /after starting/);
    assert.match(await fault('PUT', '/machine-config', machineConfig), /after starting/);
    assert.match(await fault('PUT', '/drives/a', { drive_id: 'a', is_root_device: false }), /after starting/);
    assert.match(await fault('PUT', '/snapshot/create', files), /not allowed/);
    assert.equal(await fault('PATCH', '/vm', { state: 'Paused' }), '');
    assert.equal(await fault('PUT', '/snapshot/create', files), '');
    assert.equal((await readFile(files.mem_file_path)).length, 128 << 20);
  });
});

test('the stand-in ends when a snapshot cannot be loaded', async () => {
  await withStandIn(async (http, directory) => {
    const answer = await http.call('PUT', '/snapshot/load', {
      snapshot_path: join(directory, 'none'),
      mem_backend: { backend_type: 'File', backend_path: join(directory, 'none') },
    });
    assert.equal(answer.status, 400);
    await assert.rejects(async () => {
      for (;;) await http.call('GET', '/');
    });
  });
});
