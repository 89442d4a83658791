import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import type { Engine } from '@novasandbox/engine';
import { isNovaError, type SandboxInfo } from '@novasandbox/protocol';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';

/** Live forks: children of a running sandbox that go on from one instant, while it runs on. */

const out = async (engine: Engine, id: string, script: string): Promise<string> =>
  (await sh(engine, id, script)).stdout.trim();

/** Only root may read the memory of a VMM. */
const isRoot = process.getuid?.() === 0;

/** A program that counts in a file in memory and, in step with it, in a file on the disk. */
const counter = `
  nohup sh -c 'n=0; while :; do n=$((n + 1)); echo $n > /dev/shm/count; echo $n > /root/count; sleep 0.05; done' \
    > /dev/null 2>&1 &
`;

async function forked(engine: Engine, id: string, count: number): Promise<SandboxInfo[]> {
  const results = await engine.snapshots.fork(id, { count });
  return results.map(({ sandbox: child, error }) => {
    assert.equal(error, null);
    assert.ok(child !== null);
    return child;
  });
}

test('children go on from one instant with memory, disk and processes, each as a machine of its own', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await using parent = await sandbox(engine, { labels: { role: 'parent' }, env: { SHARED: 'yes' } });
  await sh(engine, parent.id, 'dd if=/dev/urandom of=/dev/shm/data bs=1M count=8 2>/dev/null; echo kept > /root/kept');
  const sum = await out(engine, parent.id, 'sha256sum < /dev/shm/data');
  await sh(engine, parent.id, counter);
  const children = await forked(engine, parent.id, 2);
  assert.deepEqual(
    children.map(({ state, labels }) => [state, labels]),
    children.map(() => ['running', { role: 'parent' }]),
  );
  const seen = new Set<string>();
  for (const id of [parent.id, ...children.map((child) => child.id)]) {
    assert.equal(await out(engine, id, 'sha256sum < /dev/shm/data; cat /root/kept; echo $SHARED'), `${sum}\nkept\nyes`);
    // It counts on, and disk and memory are never apart by more than the step between the two.
    const script =
      'a=$(cat /dev/shm/count); while [ "$(cat /dev/shm/count)" = "$a" ]; do sleep 0.05; done; echo counts on';
    assert.equal(await out(engine, id, script), 'counts on');
    const facts = 'cat /etc/machine-id /proc/sys/kernel/random/boot_id; hostname; head -c 16 /dev/urandom | base64';
    for (const fact of (await out(engine, id, facts)).split('\n')) seen.add(fact);
  }
  assert.equal(seen.size, 12, 'no two have the same random numbers, machine id, boot id or host name');

  // What one writes is seen by no other.
  await sh(engine, children[0]?.id ?? '', 'echo changed > /root/kept; echo changed > /dev/shm/data');
  for (const id of [parent.id, children[1]?.id ?? ''])
    assert.equal(await out(engine, id, 'sha256sum < /dev/shm/data; cat /root/kept'), `${sum}\nkept`);
  assert.deepEqual(readdirSync(layout.instants.workDirectory), [], 'nothing of the instant is left');

  // The state folder of a test is behind symbolic links, as that of a host may be.
  const { incremental, memoryBytes } = await engine.snapshots.take(parent.id);
  assert.deepEqual([incremental, memoryBytes < parent.memoryMb * 2 ** 19], [isRoot, isRoot]);
});

test('a fork of a fork of a fork has all that its ancestors had; they may be gone', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  let current = await engine.sandboxes.create({});
  for (const generation of ['one', 'two', 'three']) {
    await sh(engine, current.id, `echo ${generation} >> /dev/shm/line; echo ${generation} >> /root/line; sync`);
    const [child] = await forked(engine, current.id, 1);
    assert.ok(child !== undefined);
    await engine.sandboxes.remove(current.id, { force: true });
    current = child;
  }
  assert.equal(await out(engine, current.id, 'cat /dev/shm/line /root/line'), 'one\ntwo\nthree\none\ntwo\nthree');
});

test('memory and disk of a child are of one instant', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using parent = await sandbox(engine);
  // Both files are written in step, the disk without a cache: they never differ by more than one.
  await sh(
    engine,
    parent.id,
    `printf '%s' 'n=0; while :; do n=$((n + 1)); echo $n > /dev/shm/n
      printf "%-512s" $n | dd of=/root/n oflag=direct,dsync conv=notrunc 2>/dev/null; done' > /root/write
    nohup sh /root/write > /dev/null 2>&1 & echo $! > /root/writer; until [ -s /root/n ]; do sleep 0.05; done; sync`,
  );
  for (let round = 0; round < 3; round++) {
    const [child] = await forked(engine, parent.id, 1);
    assert.ok(child !== undefined);
    // The disk is read past the guest's cache.
    const script = `kill -STOP $(cat /root/writer); cat /dev/shm/n; dd if=/root/n iflag=direct bs=512 count=1 2>/dev/null`;
    const [memory = NaN, disk = NaN] = (await out(engine, child.id, script)).split('\n').map(Number);
    assert.ok(memory > 0 && memory - disk >= 0 && memory - disk <= 1, `memory ${memory}, disk ${disk}`);
    await engine.sandboxes.remove(child.id, { force: true });
  }
});

test('a paused sandbox can be forked and stays paused; one that is stopped is refused; so are too many', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using parent = await sandbox(engine);
  await sh(engine, parent.id, 'echo here > /dev/shm/f');
  await engine.sandboxes.pause(parent.id);
  const [child] = await forked(engine, parent.id, 1);
  assert.equal(await out(engine, child?.id ?? '', 'cat /dev/shm/f'), 'here');
  assert.equal((await engine.sandboxes.get(parent.id)).state, 'paused');
  await assert.rejects(engine.snapshots.fork(parent.id, { count: 101 }), (error) =>
    isNovaError(error, 'invalid_argument'),
  );
  await engine.sandboxes.stop(parent.id, { force: true });
  await assert.rejects(engine.snapshots.fork(parent.id), (error) => isNovaError(error, 'sandbox_not_running'));
});

test('an abort leaves no child, and the parent goes on', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await using parent = await sandbox(engine);
  for (const afterMs of [0, 100, 400]) {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), afterMs);
    await engine.snapshots.fork(parent.id, { count: 3 }, { signal: abort.signal }).then(
      // On a fast host it may have been done before.
      (results) =>
        Promise.all(results.map(({ sandbox: made }) => engine.sandboxes.remove(made?.id ?? '', { force: true }))),
      (error: unknown) => assert.ok(isNovaError(error, 'cancelled'), String(error)),
    );
    clearTimeout(timer);
    assert.deepEqual(
      (await engine.sandboxes.list({ all: true })).map(({ id }) => id),
      [parent.id],
    );
    assert.equal(await out(engine, parent.id, 'echo goes on'), 'goes on');
    assert.deepEqual(readdirSync(layout.instants.workDirectory), []);
  }
});

test('a name is that of the only child, or the beginning of those of several; one that is taken is told', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using parent = await sandbox(engine, { name: 'parent' });
  await using _taken = await sandbox(engine, { name: 'try-2' });
  const results = await engine.snapshots.fork(parent.id, { count: 2, name: 'try', timeoutMs: 600_000 });
  assert.deepEqual(
    results.map(({ sandbox: made, error }) => made?.name ?? error?.code),
    ['try-1', 'sandbox_exists'],
  );
  assert.ok(results[0]?.sandbox?.expiresAt !== null);
});
