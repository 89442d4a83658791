import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { processesNaming } from '@novasandbox/engine';
import { eventually } from '../support/eventually.ts';
import { serverUnderTest } from '../support/server.ts';
import { smallDisk, whyNoSmallDisk } from '../support/small-disk.ts';

/** The state folder on a file system that is full to the last block. */
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
