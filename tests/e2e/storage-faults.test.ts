import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { createEngine, processesNaming } from '@novasandbox/engine';
import { isNovaError } from '@novasandbox/protocol';
import { engineUnderTest, sandbox } from '../support/engine.ts';
import { eventually } from '../support/eventually.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { serverUnderTest } from '../support/server.ts';
import { smallDisk, whyNoSmallDisk } from '../support/small-disk.ts';

/** What goes wrong with the state folder: full to the last block, damaged, older, in part missing. */
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

    // The reserve is used up, or taken by somebody else.
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
    await using disk = await smallDisk(48, ['snapshots', 'work']);
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
