import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createEngine, isAlive, openSqliteStore, type Engine } from '@novasandbox/engine';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { eventually } from '../support/eventually.ts';

const data = { name: 'data', path: '/data' };

/** What the shell prints, where it ends with 0. */
async function said(engine: Engine, id: string, script: string, user = 'root'): Promise<string> {
  const { exit, stdout, stderr } = await sh(engine, id, script, { user });
  assert.equal(exit.exitCode, 0, `${script}: ${stderr}`);
  return stdout.trim();
}

test('a clone has its volume, which belongs to its user, and the next clone finds what was written', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  const made = await engine.volumes.create({ name: 'data', sizeMb: 256 });
  assert.deepEqual([made.name, made.sizeMb, made.owner, made.usedBy], ['data', 256, null, []]);
  assert.ok(made.usedMb < 8, `${made.usedMb} MiB`);
  const first = await engine.sandboxes.create({ volumes: [data] });
  assert.equal(first.metadata.bootKind, 'snapshot');
  assert.equal(await said(engine, first.id, 'ls -A /data; stat -c %U /data; echo kept > /data/file', 'user'), 'user');
  // What was written and not synced yet is not lost when the sandbox is removed by force.
  await engine.sandboxes.remove(first.id, { force: true });

  const second = await engine.sandboxes.create({ volumes: [data] });
  assert.equal(await said(engine, second.id, 'cat /data/file', 'user'), 'kept');
  await engine.sandboxes.stop(second.id);
  assert.deepEqual((await engine.volumes.get('data')).usedBy, [
    { sandboxId: second.id, sandboxName: null, state: 'stopped', path: '/data', readOnly: false, attached: false },
  ]);
  await engine.sandboxes.start(second.id);
  assert.equal(await said(engine, second.id, 'cat /data/file; df --output=source /data | tail -n 1'), 'kept\n/dev/vdc');
  await engine.sandboxes.remove(second.id, { force: true });
  await engine.volumes.remove('data');
  assert.ok(!existsSync(layout.volume(made.id)));
  await assert.rejects(engine.volumes.get('data'), { code: 'volume_not_found' });
});

test('one writes, or several read: the others are refused, and nobody who reads can write', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await engine.volumes.create({ name: 'data' });
  const writer = await engine.sandboxes.create({ name: 'writer', volumes: [data] });
  await said(engine, writer.id, 'echo shared > /data/file');
  for (const readOnly of [false, true]) {
    await assert.rejects(engine.sandboxes.create({ volumes: [{ ...data, readOnly }] }), {
      code: 'volume_in_use',
      message: 'The sandbox writer writes to the volume data. It cannot be attached.',
    });
  }
  await assert.rejects(engine.volumes.remove('data', { force: true }), { code: 'volume_in_use' });
  await engine.sandboxes.remove('writer', { force: true });

  const readers = await Promise.all(
    [1, 2].map(() => engine.sandboxes.create({ volumes: [{ ...data, readOnly: true }] })),
  );
  for (const { id, metadata } of readers) {
    assert.equal(metadata.bootKind, 'snapshot');
    assert.equal(await said(engine, id, 'cat /data/file'), 'shared');
    assert.match((await sh(engine, id, 'echo x > /data/file')).stderr, /Read-only file system/);
    // The disk itself refuses: root of the guest cannot help itself.
    assert.notEqual((await sh(engine, id, 'mount -o remount,rw /data')).exit.exitCode, 0);
    assert.notEqual((await sh(engine, id, 'dd if=/dev/zero of=/dev/vdc bs=4096 count=1 conv=fsync')).exit.exitCode, 0);
  }
  await assert.rejects(engine.sandboxes.create({ volumes: [data] }), { code: 'volume_in_use' });
  await engine.sandboxes.stop(readers[0]?.id ?? '');
  await engine.sandboxes.remove(readers[1]?.id ?? '', { force: true });
  // A stopped sandbox keeps nobody from it, but its volume may not be removed under it.
  await assert.rejects(engine.volumes.remove('data'), { code: 'volume_in_use', message: /needs it to start again/ });
  await using again = await sandbox(engine, { volumes: [data] });
  await assert.rejects(engine.sandboxes.start(readers[0]?.id ?? ''), { code: 'volume_in_use' });
  assert.equal((await engine.sandboxes.get(readers[0]?.id ?? '')).state, 'stopped');
  assert.equal(again.state, 'running');
});

test('a VMM that is killed does not keep its volume, whose journal is written back for those who only read', async () => {
  await using under = await engineUnderTest();
  const { engine, home } = under;
  const { id: volume } = await engine.volumes.create({ name: 'data' });
  for (const readOnly of [true, false]) {
    const { id } = await engine.sandboxes.create({ volumes: [data] });
    await said(engine, id, `date > /data/${readOnly}; sync /data/${readOnly}`);
    using store = openSqliteStore(home.layout.storeFile, home.layout.reserveFile);
    const machine = store.findSandbox(id)?.machine;
    assert.ok(machine);
    process.kill(machine.pid, 'SIGKILL');
    await eventually('the end of the VMM', () => !isAlive(machine));
    // Nobody has noticed the end of the first sandbox before the next one wants the volume.
    await using next = await sandbox(engine, { volumes: [{ ...data, readOnly }] });
    assert.match(await said(engine, next.id, `cat /data/${readOnly}`), /\d{4}/);
    assert.equal((await engine.sandboxes.get(id)).state, 'stopped');
    await engine.sandboxes.remove(id);
  }
  assert.equal((await stat(join(home.layout.volume(volume), 'disk.raw'))).size, 1024 * 1024 * 1024);
});

test('several volumes are mounted where each belongs, also below one another and on a read-only root', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  for (const name of ['outer', 'inner', 'other']) await engine.volumes.create({ name, sizeMb: 64 });
  const mounts = [
    { name: 'other', path: '/tmp/other', readOnly: true },
    { name: 'inner', path: '/srv/data/inner' },
    { name: 'outer', path: '/srv/data' },
  ];
  const box = await engine.sandboxes.create({ volumes: mounts });
  assert.equal(box.metadata.bootKind, 'snapshot');
  await said(engine, box.id, 'for at in /srv/data /srv/data/inner; do echo $at > $at/name; done');
  assert.equal(
    await said(engine, box.id, 'df --output=target /srv/data/inner /srv/data /tmp/other | sed 1d'),
    '/srv/data/inner\n/srv/data\n/tmp/other',
  );
  assert.equal(await said(engine, box.id, 'cat /srv/data/name /srv/data/inner/name'), '/srv/data\n/srv/data/inner');
  await engine.sandboxes.remove(box.id, { force: true });
  await using frozen = await sandbox(engine, { readOnlyRootfs: true, volumes: [{ name: 'inner', path: '/mnt' }] });
  assert.equal(await said(engine, frozen.id, 'cat /mnt/name; echo more >> /mnt/name'), '/srv/data/inner');
});

test('a sandbox that boots from the disk of a snapshot has volumes of its own; memory knows its disks', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  for (const name of ['data', 'other']) await engine.volumes.create({ name });
  await using writer = await sandbox(engine, { volumes: [data] });
  await said(engine, writer.id, 'echo kept > /root/file; echo of data > /data/file');
  const { id } = await engine.snapshots.take(writer.id, { memory: false });
  await assert.rejects(engine.snapshots.create(id), { code: 'volume_in_use' });
  const created = await engine.snapshots.create(id, { volumes: [{ name: 'other', path: '/other' }] });
  const script = 'cat /root/file; ls -A /data; echo of other > /other/file; cat /other/file';
  assert.equal(await said(engine, created.id, script), 'kept\nof other');
  assert.deepEqual(
    (await engine.volumes.get('other')).usedBy.map(({ sandboxId }) => sandboxId),
    [created.id],
  );
  const withMemory = await engine.snapshots.take((await engine.snapshots.create(id, { volumes: [] })).id);
  const wanted = { volumes: [{ name: 'other', path: '/other', readOnly: true }] };
  await assert.rejects(engine.snapshots.create(withMemory.id, wanted), { code: 'not_implemented' });
  await assert.rejects(engine.snapshots.create(withMemory.id, { ...wanted, memory: false }), { code: 'volume_in_use' });
  await engine.sandboxes.remove(created.id, { force: true });
  const reader = await engine.snapshots.create(withMemory.id, { ...wanted, memory: false });
  assert.equal(await said(engine, reader.id, 'cat /root/file /other/file'), 'kept\nof other');
});

test('a volume grows, and its file system with it', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await engine.volumes.create({ name: 'data', sizeMb: 64 });
  const sizeOf = async (): Promise<number> => {
    await using box = await sandbox(engine, { volumes: [data] });
    return Number(await said(engine, box.id, 'df --output=size -m /data | tail -n 1'));
  };
  const before = await sizeOf();
  assert.ok(before > 50 && before <= 64, `${before} MiB`);
  assert.equal((await engine.volumes.resize('data', 20_000)).sizeMb, 20_000);
  const after = await sizeOf();
  assert.ok(after > 19_000 && after <= 20_000, `${after} MiB`);
  await assert.rejects(engine.volumes.resize('data', 64), { code: 'invalid_argument', message: /can only grow/ });
});

test('what cannot be is refused with its reason, and leaves nothing', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await engine.volumes.create({ name: 'data' });
  await assert.rejects(engine.volumes.create({ name: 'data' }), { code: 'volume_exists' });
  await assert.rejects(engine.volumes.create({ name: '../x' }), { code: 'invalid_argument' });
  await assert.rejects(engine.volumes.create({ name: 'small', sizeMb: 1 }), { code: 'invalid_argument' });
  for (const path of ['/', 'data', '/dev/shm', '/proc', '/a/../dev', '/run/nova/x'])
    await assert.rejects(engine.sandboxes.create({ volumes: [{ name: 'data', path }] }), { code: 'invalid_argument' });
  await assert.rejects(engine.sandboxes.create({ volumes: [{ name: 'none', path: '/a' }] }), {
    code: 'volume_not_found',
  });
  await assert.rejects(engine.sandboxes.create({ volumes: [data, { ...data, path: '/b' }] }), {
    code: 'invalid_argument',
  });
  await assert.rejects(engine.sandboxes.create({ hypervisor: 'process', volumes: [data] }), {
    code: 'feature_unsupported',
  });
  // A path that is taken by a file of the image.
  await assert.rejects(engine.sandboxes.create({ volumes: [{ name: 'data', path: '/etc/passwd' }] }), /etc\/passwd/);
  assert.deepEqual(await engine.sandboxes.list({ all: true }), []);
  assert.deepEqual((await engine.volumes.get('data')).usedBy, []);
  assert.ok(existsSync(layout.volumes));
});

test('what a killed process has half made or half removed is finished by the next one', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  const { id } = await engine.volumes.create({ name: 'data' });
  using store = openSqliteStore(layout.storeFile, layout.reserveFile);
  // A process that has ended: pid 1 with another start time.
  store.changeVolume(id, { maker: { pid: 1, startTime: 'long ago' } });
  await using other = await createEngine({ home: layout.home });
  assert.deepEqual(await other.volumes.list(), []);
  assert.ok(!existsSync(layout.volume(id)));
  await engine.volumes.create({ name: 'data' });
  assert.ok((await readFile(layout.storeFile)).length > 0);
});
