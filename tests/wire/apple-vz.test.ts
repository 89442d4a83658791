import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { consoleLog, createImageSource, fileTail, layoutAt, openSession, type MachineSpec } from '@novasandbox/engine';
import { isNovaError } from '@novasandbox/protocol';
import { socketPath } from '../../packages/engine/src/layout.ts';
import { unixHttpClient } from '../../packages/engine/src/vmm/unix-http.ts';
import { connectUnixSocket } from '../../packages/engine/src/vmm/unix-socket.ts';
import { driverSuite } from '../conformance/driver-suite.ts';
import { driversOf } from '../support/drivers.ts';
import { eventually } from '../support/eventually.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { finished } from '../support/nova-cli.ts';
import { standInFor } from '../support/stand-in.ts';
import { testHome } from '../support/test-home.ts';

/**
 * The driver at the wire, against a stand-in for vfkit (tests/support/stand-in). It shows that the driver sends what
 * vfkit accepts. It proves nothing about Apple's framework, which only a Mac has.
 */
const agent = (await createImageSource(layoutAt()).agent({})).path;
const standIn = await standInFor('vfkit', agent);
after(() => standIn[Symbol.asyncDispose]());
process.env['NOVA_VFKIT'] = standIn.path;
// Its verdicts are not about this host.
const home = await testHome({ own: ['probes', 'work'] });
await mkdir(home.layout.probeDirectory, { recursive: true });
const { driver, guest } = await driversOf(home.layout, 'apple-vz', { standIn: true });
const launcher = join(import.meta.dirname, '../support/launch-machine.ts');

driverSuite({
  name: 'apple-vz (stand-in)',
  home,
  driver,
  guest,
  standIn: true,
  launcher: ['--disable-warning=ExperimentalWarning', launcher, 'apple-vz', '--stand-in'],
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

test('a machine is what its spec says: drives in order, network, command line', async () => {
  const spec = await specOf({ network: { mode: 'nat' }, kernelArguments: ['nova.root=vda', 'a=b,c'] });
  const [base, own] = [join(spec.directory, 'base'), join(spec.directory, 'own')];
  for (const path of [base, own]) await writeFile(path, Buffer.alloc(4096));
  const drives = [
    { path: base, readOnly: true, foreign: false },
    { path: own, readOnly: false, foreign: false },
  ];
  await using machine = await driver.launch({ ...spec, drives }, {});
  const http = unixHttpClient(await connectUnixSocket(socketPath(spec.socketDirectory, 'api')));
  const { body } = await http.call('GET', '/vm/inspect');
  http.close();
  const config = body as Record<string, unknown>;
  assert.equal(config['vcpus'], 2);
  assert.equal(config['memoryBytes'], 128 << 20);
  assert.match(String(config['commandLine']), /^console=hvc0 .*nova\.channel=vsock:1024 nova\.root=vda a=b,c$/);
  assert.deepEqual(config['drives'], [
    { path: base, readOnly: true },
    { path: own, readOnly: false },
  ]);
  assert.deepEqual(config['network'], [`nat,mac=02:6e:6f:76:00:0${sequence}`]);
  await machine.stop();
  await rm(spec.directory, { recursive: true });
  await assertNoLeaks(home.layout);
});

test('a session that is open goes on after a pause', async () => {
  const spec = await specOf();
  await using machine = await driver.launch(spec, {});
  const session = await openSession(await machine.connect(0, {}), { flush: true });
  await machine.pause?.({});
  await assert.rejects(session.ping({ timeoutMs: 200 }));
  await machine.resume?.({});
  await session.ping();
  await machine.stop();
  await rm(spec.directory, { recursive: true });
});

test('the log of the console is kept short while somebody talks to the guest', async () => {
  const spec = await specOf();
  await using machine = await driver.launch(spec, {});
  const session = await openSession(await machine.connect(0, {}), { flush: true });
  const log = join(spec.directory, consoleLog);
  await writeFile(log, 'x'.repeat(5 << 20), { flag: 'a' });
  await eventually('it has begun anew', () => statSync(log).blocks * 512 < 1 << 20);
  assert.match(await fileTail(log, 100), /^x{100}$/);
  await session.close();
  await machine.stop();
  await rm(spec.directory, { recursive: true });
});

test('what vfkit cannot be told or asked for is refused before anything is started', async () => {
  const cases: [Partial<MachineSpec>, 'feature_unsupported' | 'invalid_argument'][] = [
    [{ network: { mode: 'user', forwards: [] } }, 'feature_unsupported'],
    [{ firmware: '/fw' }, 'feature_unsupported'],
    [{ hyperv: true }, 'feature_unsupported'],
    [{ kernel: '/a,b' }, 'invalid_argument'],
    [{ kernelArguments: ['a="b c"'] }, 'invalid_argument'],
  ];
  for (const [change, code] of cases) {
    const spec = await specOf(change);
    await assert.rejects(driver.launch(spec, {}), (error) => isNovaError(error, code));
    await rm(spec.directory, { recursive: true });
  }
  await assertNoLeaks(home.layout);
});

test('another system, and a version that is too old, are told', async () => {
  const { driver: here } = await driversOf(home.layout, 'apple-vz');
  if (process.platform !== 'darwin') {
    const { available, reason } = await here.probe();
    assert.equal(available, false);
    assert.match(reason, /part of macOS/);
  }
  await using old = await standInFor('vfkit', agent, '0.5.1');
  process.env['NOVA_VFKIT'] = old.path;
  try {
    const { driver: older } = await driversOf(home.layout, 'apple-vz', { standIn: true });
    assert.match((await older.probe()).reason, /0\.5\.1 is too old: 0\.6/);
    const spec = await specOf();
    await assert.rejects(older.launch(spec, {}), (error) => isNovaError(error, 'hypervisor_unavailable'));
    await rm(spec.directory, { recursive: true });
  } finally {
    process.env['NOVA_VFKIT'] = standIn.path;
  }
});

/** The stand-in itself: it has to refuse what vfkit refuses, or it would prove nothing. */
test('the stand-in refuses what is unknown, missing or malformed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nova-wire-'));
  const image = join(folder, 'qcow2');
  await writeFile(image, Buffer.from('QFI\xfb and more', 'latin1'));
  const boot = `linux,kernel=${guest.kernel},initrd=${guest.initramfs},cmdline="nova.channel=vsock:1024"`;
  const good = ['--cpus', '1', '--memory', '128', '--bootloader', boot, '--restful-uri', `unix://${folder}/api`];
  const refused: [string[], RegExp][] = [
    [['--frobnicate', '1'], /unknown flag/],
    [[...good, '--device', 'virtio-disk,path=/x'], /unknown device type: virtio-disk/],
    [[...good, '--device', `virtio-blk,path=${image}`], /qcow2/],
    [[...good, '--device', `virtio-blk,path=${image},cache=none`], /unknown option for virtio-blk/],
    [[...good, '--device', 'virtio-rng,src=/dev/random'], /unknown options for virtio-rng/],
    [[...good, '--device', 'virtio-net,nat,mac=02:00'], /invalid MAC/],
    [good.toSpliced(5, 1, `${boot},dtb=/x`), /unknown option for Linux bootloaders: dtb/],
    [good.toSpliced(5, 1, 'linux,kernel="/x'), /mismatched/],
    [good.toSpliced(1, 1, '100000'), /Invalid virtual machine configuration/],
  ];
  try {
    for (const [words, message] of refused) {
      const { code, stderr } = await finished(spawn(standIn.path, words));
      assert.equal(code, 1, stderr);
      assert.match(stderr, message);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
