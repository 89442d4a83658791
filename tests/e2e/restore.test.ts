import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { freePort } from '../support/free-port.ts';

/** A running sandbox that is taken back in place. */

// In this network the VMM itself holds the port of the host, so that it counts as in use until the VMM has ended.
process.env['NOVA_NETWORK'] = 'user';

test('its own port of the host is in nobody’s way, when it is taken back as when it is hibernated and woken', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine, { hostPort: await freePort() });
  const note = async (): Promise<string> => (await sh(engine, box.id, 'cat /dev/shm/note /root/note')).stdout;
  const write = (text: string) => sh(engine, box.id, `echo ${text} > /dev/shm/note; echo ${text} > /root/note`);
  await write('first');
  const snapshot = await engine.snapshots.take(box.id);
  await write('second');
  const back = await engine.snapshots.restore(box.id, snapshot.id);
  assert.deepEqual([back.id, back.state, back.hostPort], [box.id, 'running', box.hostPort]);
  assert.equal(await note(), 'first\nfirst\n');
  await engine.sandboxes.hibernate(box.id);
  assert.equal((await engine.sandboxes.resume(box.id)).reason, null);
  assert.equal(await note(), 'first\nfirst\n');
  await engine.snapshots.remove(snapshot.id);
});

test('a hibernated sandbox is taken back too, and goes on where it slept when its guest of then does not come up', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await using box = await sandbox(engine);
  const out = async (script: string): Promise<string> => (await sh(engine, box.id, script)).stdout;
  const filesOf = () => readdir(layout.sandbox(box.id));
  const hook = '/etc/nova/fork.d/10-refuses';
  await out(`mkdir -p /etc/nova/fork.d; printf '#!/bin/sh\nexit 3\n' > ${hook}; chmod 755 ${hook}`);
  const refused = await engine.snapshots.take(box.id, { name: 'refused' });
  await out(`rm ${hook}; echo first | tee /dev/shm/note /root/note`);
  const first = await engine.snapshots.take(box.id, { name: 'first' });
  await out('echo second | tee /dev/shm/note /root/note');
  await engine.sandboxes.hibernate(box.id);

  await assert.rejects(engine.snapshots.restore(box.id, refused.id), { code: 'hook_failed' });
  const asleep = await engine.sandboxes.get(box.id);
  assert.deepEqual([asleep.state, asleep.snapshotId], ['hibernated', first.id]);
  assert.equal((await filesOf()).includes('before.raw'), false);
  const awake = await engine.sandboxes.resume(box.id);
  assert.deepEqual([awake.state, awake.reason], ['running', null]);
  assert.equal(await out('cat /dev/shm/note /root/note'), 'second\nsecond\n');

  await engine.sandboxes.hibernate(box.id);
  const back = await engine.snapshots.restore(box.id, 'first');
  assert.deepEqual([back.id, back.state, back.reason, back.snapshotId], [box.id, 'running', null, first.id]);
  assert.equal(await out('cat /dev/shm/note /root/note'), 'first\nfirst\n');
  const left = (await filesOf()).filter((name) => /^(memory|before)/.test(name));
  assert.deepEqual(left, [], 'what it had before is gone');
  await engine.sandboxes.stop(box.id, { force: true });
  assert.equal((await engine.sandboxes.get(box.id)).state, 'stopped', 'it sleeps no more');
});

test('a snapshot of another sandbox is refused with what to do instead, and nothing is changed', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine);
  await using other = await sandbox(engine);
  const snapshot = await engine.snapshots.take(other.id);
  await assert.rejects(engine.snapshots.restore(box.id, snapshot.id), (error) => {
    assert.ok(isNovaError(error, 'conflict'));
    assert.match(error.hint, /nova create --snapshot/);
    return true;
  });
  assert.equal((await engine.sandboxes.get(box.id)).state, 'running');
  await engine.snapshots.remove(snapshot.id);
});
