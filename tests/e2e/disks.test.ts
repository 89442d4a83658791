import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Engine } from '@novasandbox/engine';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { eventually } from '../support/eventually.ts';
import { cliUnderTest } from '../support/nova-cli.ts';
import { serverUnderTest } from '../support/server.ts';
import { createRemoteEngine } from '../../packages/sdk/src/remote/remote-engine.ts';

const mebibyte = 1024 * 1024;

async function said(engine: Engine, id: string, script: string): Promise<string> {
  const { exit, stdout, stderr } = await sh(engine, id, script);
  assert.equal(exit.exitCode, 0, `${script}: ${stderr}`);
  return stdout.trim();
}

/** Size of the file system at a path of the guest, MiB. */
const sizeOf = async (engine: Engine, id: string, path: string): Promise<number> =>
  Number(await said(engine, id, `df --output=size -m ${path} | tail -n 1`));

test('the disk of a running sandbox grows, with its file system', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await using box = await sandbox(engine, { diskSizeMb: 3072 });
  assert.ok((await sizeOf(engine, box.id, '/')) < 3072);
  await said(engine, box.id, 'echo before > /var/file');
  assert.equal((await engine.sandboxes.resize(box.id, { diskSizeMb: 6144 })).diskSizeMb, 6144);
  const size = await sizeOf(engine, box.id, '/');
  assert.ok(size > 5900 && size <= 6144, `${size} MiB`);
  // A block near the new end of the disk is written: the VMM may write so far into its file.
  const write = 'dd if=/dev/urandom of=/dev/vdb bs=4096 count=1 seek=$((6144 * 256 - 2)) conv=notrunc,fsync';
  await said(engine, box.id, write);
  assert.equal((await stat(join(layout.sandbox(box.id), 'disk.raw'))).size, 6144 * mebibyte);
  assert.equal(await said(engine, box.id, 'cat /var/file'), 'before');
  // The logs of the VMM take no more space than before.
  assert.ok((await stat(join(layout.sandbox(box.id), 'console.log'))).blocks * 512 < 4 * mebibyte);
  assert.equal((await engine.sandboxes.resize(box.id, { diskSizeMb: 6144 })).diskSizeMb, 6144);
  await assert.rejects(engine.sandboxes.resize(box.id, { diskSizeMb: 2048 }), { code: 'invalid_argument' });
  await engine.sandboxes.stop(box.id);
  await engine.sandboxes.start(box.id);
  assert.ok((await sizeOf(engine, box.id, '/')) > 5900);
});

/** Whether this process may raise the limits of others (capabilities(7): CAP_SYS_RESOURCE). */
const mayRaise =
  ((parseInt(/^CapEff:\s+(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0', 16) >> 24) & 1) === 1;

test('beyond twice its size it grows where the limit of the VMM can be raised, and else at the next start', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await using box = await sandbox(engine, { diskSizeMb: 256 });
  const log = join(layout.sandbox(box.id), 'console.log');
  if (mayRaise) {
    assert.equal((await engine.sandboxes.resize(box.id, { diskSizeMb: 4096 })).diskSizeMb, 4096);
    await said(engine, box.id, 'dd if=/dev/zero of=/dev/vdb bs=4096 count=1 seek=1048574 conv=notrunc,fsync');
    // The log still ends 4 MiB after its beginning.
    assert.ok((await stat(log)).size > 4000 * mebibyte);
  } else {
    await assert.rejects(engine.sandboxes.resize(box.id, { diskSizeMb: 4096 }), {
      code: 'feature_unsupported',
      hint: /Stop the sandbox first/,
    });
    assert.ok((await sizeOf(engine, box.id, '/')) < 256);
  }
});

test('the disk of a stopped sandbox grows at its next start', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine, { diskSizeMb: 256 });
  await engine.sandboxes.stop(box.id);
  assert.equal((await engine.sandboxes.resize(box.id, { diskSizeMb: 3000 })).diskSizeMb, 3000);
  await assert.rejects(engine.sandboxes.resize(box.id, { vcpus: 2 }), { code: 'sandbox_not_running' });
  await engine.sandboxes.start(box.id);
  const size = await sizeOf(engine, box.id, '/');
  assert.ok(size > 2800 && size <= 3000, `${size} MiB`);
});

test('a sandbox without a writable disk has none that could grow', async () => {
  await using under = await engineUnderTest();
  await using box = await sandbox(under.engine, { readOnlyRootfs: true });
  await assert.rejects(under.engine.sandboxes.resize(box.id, { diskSizeMb: 8192 }), {
    code: 'invalid_argument',
    message: /has no writable layer/,
  });
});

test('a volume grows in the sandbox that writes to it', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await engine.volumes.create({ name: 'data', sizeMb: 500 });
  {
    await using box = await sandbox(engine, { volumes: [{ name: 'data', path: '/data' }], diskSizeMb: 512 });
    assert.equal((await engine.volumes.resize('data', 1000)).sizeMb, 1000);
    const size = await sizeOf(engine, box.id, '/data');
    assert.ok(size > 950 && size <= 1000, `${size} MiB`);
    await said(engine, box.id, 'dd if=/dev/zero of=/data/file bs=1M count=600 conv=fsync status=none && rm /data/file');
  }
  await using reader = await sandbox(engine, { volumes: [{ name: 'data', path: '/data', readOnly: true }] });
  await assert.rejects(engine.volumes.resize('data', 4096), { code: 'volume_in_use' });
  assert.ok((await sizeOf(engine, reader.id, '/data')) > 950);
});

test('nova resize', async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'box', '--disk', '1g');
  assert.equal(await cli.ok('resize', 'box', '--disk', '2g'), 'box: 1 vCPUs, 512 MiB of memory, 2 GiB of disk');
  assert.match(await cli.ok('exec', 'box', '--', 'df', '-m', '--output=size', '/'), /\n *(19|20)\d\d$/);
  const nothing = await cli.nova(['resize', 'box']);
  assert.deepEqual([nothing.code, /Say what to change/.test(nothing.stderr)], [2, true]);
});

test('a full disk is an error inside and an event outside, for the writable layer and for a volume', async () => {
  await using server = await serverUnderTest();
  await server.ok('POST', '/volumes', { name: 'data', size_mb: 64 });
  const { id } = await server.vm({ disk_mb: 128, volumes: [{ name: 'data', path: '/data' }], network: false });
  const run = (command: string) => server.ok('POST', `/vms/${id}/execute`, { command, user: 'root' });
  for (const path of ['/data', '/']) {
    const { exit_code: code, stdout } = await run(`dd if=/dev/zero of=${path}/fill bs=64k 2>&1`);
    assert.deepEqual([code, /No space left on device/.test(stdout)], [1, true], stdout);
    await eventually(`${path} is reported as full`, async () =>
      (await server.ok('GET', `/vms/${id}`)).full_disks.includes(path),
    );
  }
  assert.deepEqual((await server.ok('GET', `/vms/${id}`)).full_disks, ['/', '/data']);
  await using engine = createRemoteEngine({ url: server.url, apiKey: server.key });
  const told = async (): Promise<unknown[]> => {
    const found: unknown[] = [];
    const kept = { since: new Date(0), follow: false, types: ['vm.disk_full'] } as const;
    for await (const { sandboxId, data } of engine.events(kept)) found.push([sandboxId, data['path']]);
    return found;
  };
  await eventually('both are told', async () => (await told()).length === 2);
  assert.deepEqual(await told(), [
    [id, '/data'],
    [id, '/'],
  ]);
  await run('rm /fill /data/fill; sync');
  await eventually('there is room again', async () => (await server.ok('GET', `/vms/${id}`)).full_disks.length === 0);
});
