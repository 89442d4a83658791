import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeWritableDisk } from '@novasandbox/engine';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { makeInternet } from '../support/internet.ts';
import { bootTimeoutMs, whyNot } from '../support/real-vmms.ts';
import { slotAddressOf } from '../support/slots.ts';

/** Changes of a running sandbox, on the real hypervisor that supports them. */
const hypervisor = 'cloud-hypervisor';
const config = { hypervisor, bootTimeoutMs, memoryMb: 256 } as const;
const refused = { code: 'feature_unsupported' } as const;

const skip = await whyNot(hypervisor, { slots: true });

test('a network is given to a running sandbox, taken away, and given again', { skip }, async () => {
  await using internet = await makeInternet();
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await using box = await sandbox(engine, { ...config, enableNetwork: false });
  const interfaces = async (): Promise<string[]> =>
    (await sh(engine, box.id, 'ls /sys/class/net')).stdout.trim().split(/\s+/);
  const hello = `curl -sS --noproxy '*' --max-time 30 http://${internet.address}/`;
  await engine.sandboxes.removeNetwork(box.id);
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(await interfaces(), ['lo']);
    assert.equal(slotAddressOf(layout, box.id), null);
    await engine.sandboxes.addNetwork(box.id);
    const address = slotAddressOf(layout, box.id);
    assert.ok(address !== null);
    // A sandbox that has a network keeps it.
    await engine.sandboxes.addNetwork(box.id);
    assert.equal(slotAddressOf(layout, box.id), address);
    assert.equal((await interfaces()).length, 2);
    assert.equal((await sh(engine, box.id, hello)).stdout, `hello ${internet.hostAddress}\n`);
    await engine.sandboxes.removeNetwork(box.id);
  }
  assert.deepEqual(await interfaces(), ['lo']);
  assert.notEqual((await sh(engine, box.id, hello)).exit.exitCode, 0);
  await engine.sandboxes.addNetwork(box.id);
  await engine.sandboxes.stop(box.id);
  assert.equal(slotAddressOf(layout, box.id), null);
});

test(
  'the network that a sandbox was made with is taken away and given back, forwarded port and all',
  { skip },
  async () => {
    await using internet = await makeInternet();
    await using under = await engineUnderTest();
    const { engine } = under;
    const hostPort = 23_906;
    await using box = await sandbox(engine, { ...config, hostPort, guestPort: 8080 });
    const url = `http://127.0.0.1:${hostPort}/`;
    const fetched = async (): Promise<string> => (await fetch(url, { signal: AbortSignal.timeout(30_000) })).text();
    await engine.exec.startDetached(box.id, { argv: ['python3', '-m', 'http.server', '8080'], user: 'root' });
    await sh(engine, box.id, `until curl -sS --noproxy '*' http://127.0.0.1:8080/; do sleep 0.1; done`);
    assert.match(await fetched(), /Directory listing/);
    await engine.sandboxes.removeNetwork(box.id);
    await assert.rejects(fetched());
    await engine.sandboxes.addNetwork(box.id);
    assert.match(await fetched(), /Directory listing/);
    const hello = `curl -sS --noproxy '*' --max-time 30 http://${internet.address}/`;
    assert.equal((await sh(engine, box.id, hello)).stdout, `hello ${internet.hostAddress}\n`);
  },
);

test('drives and sizes change while a sandbox runs, and it keeps its size', { skip }, async () => {
  await using under = await engineUnderTest();
  const { engine, home } = under;
  const path = join(home.home, 'drive.raw');
  await makeWritableDisk(path, 64);
  await chmod(path, 0o666);
  await using box = await sandbox(engine, { ...config, enableNetwork: false });
  const run = async (script: string): Promise<string> => {
    const { exit, stdout, stderr } = await sh(engine, box.id, script);
    assert.equal(exit.exitCode, 0, stderr);
    return stdout.trim();
  };
  const drive = { path, mountPath: '/added', readOnly: false } as const;
  const name = await engine.sandboxes.addDrive(box.id, drive);
  await run('echo kept > /added/file');
  await engine.sandboxes.removeDrive(box.id, name);
  assert.equal(await run('ls /added'), '');
  await engine.sandboxes.addDrive(box.id, drive);
  assert.equal(await run('cat /added/file'), 'kept');

  const totalMb = async (): Promise<number> =>
    Number(await run("awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo"));
  const before = await totalMb();
  await engine.sandboxes.resize(box.id, { memoryMb: 384, vcpus: 2 });
  assert.equal(await run('nproc'), '2');
  assert.ok((await totalMb()) - before > 100);
  await engine.sandboxes.stop(box.id);
  await engine.sandboxes.start(box.id);
  assert.equal(await run('nproc'), '2');
  assert.ok((await totalMb()) - before > 100);
});

for (const other of ['firecracker', 'qemu'] as const) {
  const cannot = await whyNot(other);
  test(`${other} refuses a network for a running sandbox and names who can`, { skip: cannot }, async () => {
    await using under = await engineUnderTest();
    const { engine } = under;
    await using box = await sandbox(engine, { hypervisor: other, bootTimeoutMs, enableNetwork: false });
    for (const change of ['addNetwork', 'removeNetwork'] as const)
      await assert.rejects(engine.sandboxes[change](box.id), refused);
  });
}
