import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createImageSource, layoutAt, type Machine, type MachineSpec, socketPath } from '@novasandbox/engine';
import { isNovaError, type ErrorCode } from '@novasandbox/protocol';
import { z } from 'zod';
import { identify } from '../../packages/engine/src/vmm/process-identity.ts';
import { kvmGroups } from '../../packages/engine/src/vmm/kvm.ts';
import { connectWhenOpen } from '../../packages/engine/src/vmm/server-socket.ts';
import { unixHttpClient } from '../../packages/engine/src/vmm/unix-http.ts';
import { connectUnixSocket } from '../../packages/engine/src/vmm/unix-socket.ts';
import { driverSuite } from '../conformance/driver-suite.ts';
import { assertConfined, runAs, withoutRoot } from '../support/confinement.ts';
import { driversOf } from '../support/drivers.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { standInFiles, standInFor } from '../support/stand-in.ts';
import { testHome } from '../support/test-home.ts';

/**
 * The conformance suite over the wire. The stand-in is no VMM, so nothing here counts as a result of Cloud Hypervisor.
 */
const launcher = join(import.meta.dirname, '../support/launch-machine.ts');
const agent = await createImageSource(layoutAt()).agent({});
const standIn = await standInFor('cloud-hypervisor', agent.path);
after(() => standIn[Symbol.asyncDispose]());
process.env['NOVA_CLOUD_HYPERVISOR'] = standIn.path;
// Its verdicts are not about this host.
const home = await testHome({ own: ['probes'] });
await mkdir(home.layout.probeDirectory, { recursive: true });
const { driver, guest } = await driversOf(home.layout, 'cloud-hypervisor', { standIn: true });
driverSuite({
  name: 'cloud-hypervisor (stand-in)',
  home,
  driver,
  guest,
  standIn: true,
  launcher: ['--disable-warning=ExperimentalWarning', launcher, 'cloud-hypervisor', '--stand-in'],
});

let sequence = 0;

async function specOf(change: Partial<MachineSpec> = {}): Promise<MachineSpec> {
  const id = `wire${process.pid}x${++sequence}`;
  const directory = home.layout.sandbox(id);
  await mkdir(directory, { recursive: true });
  await chmod(directory, 0o711);
  const socketDirectory = home.layout.sockets(id);
  const shape = { memoryMb: 128, vcpus: 1, ...guest, drives: [], network: { mode: 'none' }, channels: 2 } as const;
  return { id, sequence, directory, socketDirectory, ...shape, ...change };
}

/** A machine of that spec, which is removed with all its files. */
async function launched(
  change: Partial<MachineSpec> = {},
): Promise<{ spec: MachineSpec; machine: Machine } & AsyncDisposable> {
  const spec = await specOf(change);
  const machine = await driver.launch(spec, {});
  return {
    spec,
    machine,
    async [Symbol.asyncDispose]() {
      await machine.stop();
      await rm(spec.directory, { recursive: true });
      await assertNoLeaks(home.layout);
    },
  };
}

const infoSchema = z.object({ state: z.string(), config: z.looseObject({}) });

/** The configuration that the stand-in was given. */
async function told({ socketDirectory }: MachineSpec): Promise<Record<string, unknown>> {
  const http = unixHttpClient(await connectUnixSocket(socketPath(socketDirectory, 'api')));
  const { body } = await http.call('GET', '/api/v1/vm.info');
  http.close();
  return infoSchema.parse(body).config;
}

const refused = (code: ErrorCode, about: RegExp) => (error: unknown) =>
  isNovaError(error, code) && about.test(error.message);

async function image(name: string, mode: number): Promise<string> {
  const path = join(home.home, name);
  await writeFile(path, Buffer.alloc(1 << 20));
  await chmod(path, mode);
  return path;
}

test('drives, limits and the agent channel reach the VMM as they were asked for', async () => {
  const path = await image('limited.raw', 0o666);
  const rateLimit = { bytesPerSecond: 1_000_000, operationsPerSecond: 100 };
  await using one = await launched({
    drives: [
      { path, readOnly: true, foreign: true },
      { path, readOnly: false, foreign: true, rateLimit },
    ],
    kernelArguments: ['nova.root=vda'],
    hyperv: true,
  });
  const config = await told(one.spec);
  assert.deepEqual(config['disks'], [
    { id: 'drive0', path, readonly: true, image_type: 'Raw' },
    {
      id: 'drive1',
      path,
      readonly: false,
      image_type: 'Raw',
      rate_limiter_config: {
        bandwidth: { size: 1_000_000, refill_time: 1000 },
        ops: { size: 100, refill_time: 1000 },
      },
    },
  ]);
  assert.deepEqual(config['vsock'], { id: 'vsock0', cid: 3, socket: socketPath(one.spec.socketDirectory, 'vsock') });
  const { cmdline } = z.looseObject({ cmdline: z.string() }).parse(config['payload']);
  assert.match(cmdline, / nova\.channel=vsock:1024 nova\.root=vda$/);
  assert.equal(z.looseObject({ kvm_hyperv: z.boolean() }).parse(config['cpus']).kvm_hyperv, true);
  assert.ok(!existsSync(join(one.spec.directory, 'kernel')), 'a guest that resets itself finds no kernel');
});

test('firmware boots in place of a kernel', async () => {
  const firmware = await image('CLOUDHV.fd', 0o644);
  await using one = await launched({ kernel: '', initramfs: '', firmware });
  assert.deepEqual((await told(one.spec))['payload'], { firmware });
});

test('the VMM has no privileges, and sees nothing of the host but its own files', { skip: withoutRoot }, async () => {
  const drive = await image('seen.raw', 0o666);
  await using one = await launched({ drives: [{ path: drive, readOnly: true, foreign: true }] });
  const { pid } = one.machine.record;
  const { directory, socketDirectory } = one.spec;
  const devices = ['/dev/kvm', '/dev/net/tun', '/dev/userfaultfd', '/dev/null', '/dev/urandom'];
  assertConfined(pid, {
    writable: [
      directory,
      socketDirectory,
      ...standInFiles(standIn.path)
        .slice(0, 1)
        .map(({ path }) => path),
    ],
    root: kvmGroups() === null,
  });
  assert.equal(runAs(pid, `[ -r ${drive} ] || ls -la ${drive}`).output, '');
  for (const path of ['/etc/passwd', home.layout.storeFile, home.layout.probeDirectory, '/sys/kernel'])
    assert.notEqual(runAs(pid, `[ -e ${path} ]`).status, 0, path);
  const seen = runAs(pid, 'find /dev ! -type d').output.trim().split('\n');
  assert.deepEqual(
    seen.filter((path) => !devices.includes(path)),
    [],
  );
});

test('user-mode networks are refused', async () => {
  const spec = await specOf({ network: { mode: 'user', forwards: [] } });
  await assert.rejects(driver.launch(spec, {}), refused('feature_unsupported', /user-mode/));
  await rm(spec.directory, { recursive: true });
});

test('CPUs and memory change within what the machine was started for', async () => {
  await using one = await launched();
  await one.machine.resize?.({ memoryMb: 384 }, {});
  const { memory } = z.looseObject({ memory: z.looseObject({ size: z.int() }) }).parse(await told(one.spec));
  assert.equal(memory.size, 384 * 1024 * 1024);
  for (const [to, about] of [
    [{ memoryMb: 400 }, /steps of 128 MiB from 384: 384 or 512/],
    [{ memoryMb: 256 }, /can only grow/],
    [{ vcpus: 1000 }, /not within 1 to/],
  ] as const)
    await assert.rejects(async () => one.machine.resize?.(to, {}), refused('invalid_argument', about));
});

test('the balloon takes memory and gives it back', async () => {
  await using one = await launched();
  const size = async () => z.looseObject({ size: z.int() }).parse((await told(one.spec))['balloon']).size;
  await one.machine.setBalloon?.(64, {});
  assert.equal(await size(), 64 * 1024 * 1024);
  await one.machine.setBalloon?.(0, {});
  assert.equal(await size(), 0);
  await assert.rejects(async () => one.machine.setBalloon?.(4096, {}), refused('vmm_failed', /vm\.resize/));
});

test('drives come and go while the machine runs, also where it is confined to its folder', async () => {
  const path = await image('added.raw', 0o666);
  await using one = await launched();
  const name = (await one.machine.addDrive?.({ path, readOnly: false, foreign: true }, {})) ?? '';
  const added = z.array(z.looseObject({ id: z.string(), serial: z.string() })).parse((await told(one.spec))['disks']);
  assert.deepEqual([added.at(-1)?.id, added.at(-1)?.serial], [name, name]);
  assert.ok(!existsSync(join(one.spec.directory, name)), 'the name it was opened by is gone');
  await one.machine.removeDevice?.(name, {});
  await assert.rejects(async () => one.machine.removeDevice?.(name, {}), refused('vmm_failed', /remove-device/));
});

test('a network comes and goes while the machine runs, one at a time', async () => {
  await using one = await launched();
  const networks = async () =>
    z
      .array(z.looseObject({ id: z.string(), tap: z.string(), mac: z.string() }))
      .optional()
      .parse((await told(one.spec))['net']) ?? [];
  const rateLimit = { bytesPerSecond: 1_000_000 };
  const network = { mode: 'tap', namespace: 'any', tap: 'tap0', mac: '02:6e:6f:76:61:01', rateLimit } as const;
  await one.machine.removeNetwork?.({});
  const names: (string | undefined)[] = [];
  for (let round = 0; round < 2; round++) {
    await one.machine.addNetwork?.(network, {});
    await one.machine.addNetwork?.(network, {});
    const [added, ...more] = await networks();
    assert.deepEqual(more, []);
    const { id, ...rest } = added ?? {};
    names.push(id);
    assert.deepEqual(rest, {
      tap: 'tap0',
      mac: network.mac,
      rate_limiter_config: { bandwidth: { size: 1_000_000, refill_time: 1000 } },
    });
    await one.machine.removeNetwork?.({});
    assert.deepEqual(await networks(), []);
  }
  assert.equal(new Set(names).size, 2, 'a guest may still be letting go of the first');
});

test('a snapshot leaves the machine as it was, running or paused', async () => {
  await using one = await launched();
  for (const state of ['Running', 'Paused']) {
    if (state === 'Paused') await one.machine.pause?.({});
    const directory = join(one.spec.directory, state);
    await mkdir(directory);
    await one.machine.snapshot?.(directory, {});
    const http = unixHttpClient(await connectUnixSocket(socketPath(one.spec.socketDirectory, 'api')));
    assert.equal(infoSchema.parse((await http.call('GET', '/api/v1/vm.info')).body).state, state);
    http.close();
    assert.deepEqual((await readdir(directory)).toSorted(), ['config.json', 'memory-ranges', 'state.json']);
  }
  assert.deepEqual(
    (await readdir(one.spec.directory)).filter((name) => name.startsWith('snapshot-')),
    [],
  );
});

test('a clone gets limits of its own, and none that the snapshot was made with', async () => {
  const path = await image('disk.raw', 0o666);
  const limited = { path, readOnly: false, foreign: true, rateLimit: { bytesPerSecond: 1_000_000 } };
  await using one = await launched({ drives: [limited] });
  const directory = join(one.spec.directory, 'made');
  await mkdir(directory);
  const snapshot = await one.machine.snapshot?.(directory, {});
  assert.ok(snapshot !== undefined);
  const spec = await specOf({ drives: [{ path, readOnly: false, foreign: true }] });
  await using clone = await driver.restore?.(spec, snapshot, {});
  assert.deepEqual((await told(spec))['disks'], [{ id: 'drive0', path, readonly: false, image_type: 'Raw' }]);
  assert.ok(!existsSync(join(spec.directory, 'restore')));
  await clone?.stop();
  const other = await specOf();
  await assert.rejects(async () => driver.restore?.(other, snapshot, {}), refused('snapshot_failed', /other devices/));
  for (const each of [spec, other]) await rm(each.directory, { recursive: true });
});

test('the stand-in refuses what the VMM refuses: unknown fields and wrong order', async () => {
  const directory = join(home.home, 'bare');
  await mkdir(directory);
  const socket = join(directory, 'api');
  const child = spawn(standIn.path, ['--api-socket', `path=${socket}`, '--seccomp', 'true'], { stdio: 'ignore' });
  const identity = identify(child.pid ?? 0);
  assert.ok(identity !== null);
  const ended = once(child, 'exit');
  const http = unixHttpClient(await connectWhenOpen(socket, { directory }, identity));
  const put = async (name: string, body?: unknown) => (await http.call('PUT', `/api/v1/${name}`, body)).status;
  const vsock = { cid: 3, socket: join(directory, 'vsock') };
  const config = {
    payload: { kernel: guest.kernel },
    cpus: { boot_vcpus: 1, max_vcpus: 1 },
    memory: { size: 1 << 27 },
    vsock,
  };
  assert.equal(await put('vm.boot'), 404);
  assert.equal(await put('vm.create', { ...config, kernel: 'x' }), 400);
  assert.equal(await put('vm.create', { ...config, cpus: { boot_vcpus: 1 } }), 400);
  assert.equal(await put('vm.create', { ...config, disks: [{ path: '/x', image_type: 'raw' }] }), 400);
  assert.equal(await put('vm.create', config), 204);
  assert.equal(await put('vm.create', config), 500);
  assert.equal(await put('vm.pause'), 500);
  await writeFile(vsock.socket, '');
  assert.equal(await put('vm.boot'), 500);
  await rm(vsock.socket);
  assert.equal(await put('vm.boot'), 204);
  assert.equal(await put('vm.snapshot', { destination_url: `file://${directory}` }), 500);
  assert.equal(await put('vm.restore', { source_url: `file://${directory}` }), 500);
  assert.equal(await put('vm.resume'), 500);
  assert.equal(await put('vm.nonsense'), 404);
  assert.equal(await put('vmm.shutdown'), 204);
  await ended;
  http.close();
  await rm(directory, { recursive: true });
});
