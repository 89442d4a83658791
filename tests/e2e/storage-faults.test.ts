import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { createEngine, processesNaming } from '@novasandbox/engine';
import { isNovaError } from '@novasandbox/protocol';
import { engineUnderTest, sandbox } from '../support/engine.ts';
import { eventually } from '../support/eventually.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { cliUnderTest } from '../support/nova-cli.ts';
import { serverUnderTest } from '../support/server.ts';
import { smallDisk, whyNoSmallDisk } from '../support/small-disk.ts';

/** Faults of the state folder: full to the last block, damaged, older, partly missing. */
const skip = whyNoSmallDisk;

test(
  'a full disk ends no daemon: it sees VMs end, lists and removes, also when it is started anew',
  { skip },
  async () => {
    const disk = await smallDisk();
    await using server = await serverUnderTest({}, disk);
    const { layout } = disk;
    const boxes = [await server.vm(), await server.vm(), await server.vm()];
    const ids = boxes.map(({ id }) => String(id));
    const [ends = '', goes = '', stays = ''] = ids;
    assert.ok(existsSync(layout.reserveFile));
    assert.ok(disk.fill() > 0);
    for (const { pid } of processesNaming(layout.sockets(ends))) process.kill(pid, 'SIGKILL');
    const statusOf = async (id: string): Promise<string> => (await server.ok('GET', `/vms/${id}`)).status;
    await eventually('its end is noted', async () => (await statusOf(ends)) === 'stopped');
    assert.equal((await server.call('DELETE', `/vms/${goes}?force=true`)).status, 204);
    assert.equal(server.child.exitCode, null, server.said());

    // The reserve is used up, or taken by another program.
    disk.fill();
    await server.end('SIGKILL');
    await server.restart();
    const { vms } = await server.ok('GET', '/vms?status=all');
    assert.deepEqual(
      vms.map(({ id, status }: { id: string; status: string }) => [id, status]),
      [
        [ends, 'stopped'],
        [stays, 'running'],
      ],
    );
    const refused = await server.call('POST', '/vms', { body: {} });
    assert.deepEqual([refused.status, refused.body?.error?.code], [507, 'host_resource_exhausted']);
    assert.equal((await server.call('DELETE', `/vms/${stays}?force=true`)).status, 204);
    assert.equal((await server.call('DELETE', `/vms/${ends}`)).status, 204);

    disk.free();
    await eventually('the reserve is made again', () => existsSync(layout.reserveFile), 20_000);
    assert.equal((await server.vm()).status, 'running');
  },
);

test(
  'a disk that fills up while a snapshot is built is told as such, and nothing is left of it',
  { skip },
  async () => {
    await using disk = await smallDisk(48, ['golden', 'work']);
    await using engine = await createEngine({ home: disk.home });
    await assert.rejects(engine.sandboxes.create({ templateId: 'linux-default' }), (error) => {
      assert.ok(isNovaError(error, 'host_resource_exhausted'), String(error));
      return true;
    });
    await assertNoLeaks(disk.layout);
  },
);

test('a sandbox whose folder is missing says so, is listed and can be removed', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  const { id } = await engine.sandboxes.create({});
  await engine.sandboxes.stop(id, { force: true });
  rmSync(layout.sandbox(id), { recursive: true });
  await assert.rejects(engine.sandboxes.start(id), (error) => {
    assert.ok(isNovaError(error, 'storage_failed'), String(error));
    assert.match(error.message, /is missing/);
    return true;
  });
  assert.equal((await engine.sandboxes.list({ all: true }))[0]?.state, 'stopped');
  await engine.sandboxes.remove(id);
});

test('a sandbox whose record is damaged is listed beside the others, and removed with its VM', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await using other = await sandbox(engine);
  const { id } = await engine.sandboxes.create({ name: 'box' });
  {
    using store = new DatabaseSync(layout.storeFile);
    store.prepare('UPDATE sandboxes SET record = substr(record, 1, 100) WHERE id = ?').run(id);
  }
  const listed = await engine.sandboxes.list({ all: true });
  assert.deepEqual(
    listed.map((info) => [info.id, info.state]),
    [
      [other.id, 'running'],
      [id, 'failed'],
    ],
  );
  assert.ok(processesNaming(layout.sockets(id)).length > 0);
  await engine.sandboxes.remove('box', { force: true });
  assert.deepEqual(processesNaming(layout.sockets(id)), []);
});

test('a sandbox that was stored before there were rate limits and Hyper-V is shown and starts', async () => {
  await using server = await serverUnderTest();
  await server.vm({ name: 'earlier' });
  await server.ok('POST', '/vms/earlier/stop');
  {
    using db = new DatabaseSync(server.home.layout.storeFile);
    db.exec("UPDATE sandboxes SET record = json_remove(record, '$.config.rateLimits', '$.config.hyperv')");
  }
  const { rate_limits, hyperv } = await server.ok('GET', '/vms/earlier/config');
  assert.deepEqual([rate_limits, hyperv], [{}, false]);
  assert.equal((await server.ok('POST', '/vms/earlier/start')).status, 'running');
});

test('a store that is older than the sandboxes, or lost: their folders are put aside and told, and can be put back', async () => {
  await using server = await serverUnderTest();
  const { layout } = server.home;
  const { id: first } = await server.vm({ name: 'first' });
  const keepAs = (suffix: string): void => {
    for (const part of ['', '-wal', '-shm']) {
      rmSync(`${layout.storeFile}${suffix}${part}`, { force: true });
      if (existsSync(`${layout.storeFile}${part}`))
        renameSync(`${layout.storeFile}${part}`, `${layout.storeFile}${suffix}${part}`);
    }
  };
  await server.end('SIGTERM');
  copyFileSync(layout.storeFile, `${layout.storeFile}.older`);
  await server.restart();
  const { id: second } = await server.vm({ name: 'second' });
  await server.ok('POST', '/vms/second/execute', { command: 'echo work > file; sync' });
  await server.end('SIGTERM');
  keepAs('.newest');
  copyFileSync(`${layout.storeFile}.older`, layout.storeFile);

  await server.restart();
  const { vms } = await server.ok('GET', '/vms?status=all');
  assert.deepEqual(
    vms.map((vm: { id: string }) => vm.id),
    [first],
  );
  assert.deepEqual(readdirSync(layout.quarantine), [second]);
  assert.ok(existsSync(join(layout.quarantine, second, 'disk.raw')));
  assert.match(server.said(), new RegExp(`does not know the sandbox ${second}`));
  await using cli = await cliUnderTest();
  const { stdout } = await cli.nova(['doctor'], { env: { NOVA_HOME: server.home.home } });
  assert.match(stdout, new RegExp(`quarantine: .*${second}`));
  await server.ok('DELETE', '/vms/first?force=true');
  await server.end('SIGTERM');

  // Once without any store, then with the right one.
  renameSync(join(layout.quarantine, second), layout.sandbox(second));
  keepAs('.none');
  await server.restart();
  assert.deepEqual(readdirSync(layout.quarantine), [second]);
  await server.end('SIGTERM');
  renameSync(join(layout.quarantine, second), layout.sandbox(second));
  keepAs('.none');
  copyFileSync(`${layout.storeFile}.newest`, layout.storeFile);
  await server.restart();
  await server.ok('POST', '/vms/second/start');
  assert.equal((await server.ok('POST', '/vms/second/execute', { command: 'cat file' })).stdout, 'work\n');
});

test(
  'a guest that finds no space on the host waits, which is told, and goes on when there is some',
  { skip },
  async () => {
    const disk = await smallDisk();
    await using server = await serverUnderTest({}, disk);
    const { id } = await server.vm();
    disk.fill();
    const write = 'dd if=/dev/zero bs=1M count=16 conv=fsync of=file 2>&1 && sha256sum file';
    const { process_id } = await server.ok('POST', `/vms/${id}/processes`, { command: write });
    const reasonOf = async (): Promise<string | null> => (await server.ok('GET', `/vms/${id}`)).reason;
    await eventually('it says that it waits', async () => /waits for space/.test((await reasonOf()) ?? ''), 60_000);
    const refused = await server.call('POST', `/vms/${id}/execute`, { body: { command: 'true' } });
    assert.deepEqual([refused.status, refused.body?.error?.code], [507, 'host_resource_exhausted']);
    disk.free();
    await eventually('it goes on', async () => (await reasonOf()) === null, 60_000);
    const output = (await server.call('GET', `/vms/${id}/processes/${process_id}/output`)).bytes.toString();
    assert.match(output, /"exit_code":0/);
    const { stdout } = await server.ok('POST', `/vms/${id}/execute`, { command: 'sha256sum file; touch more' });
    assert.match(
      stdout,
      new RegExp(
        `^${createHash('sha256')
          .update(Buffer.alloc(16 << 20))
          .digest('hex')}`,
      ),
    );
    await server.ok('DELETE', `/vms/${id}?force=true`);
  },
);
