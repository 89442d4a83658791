import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';

const identity = `
  head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n'; echo
  cat /proc/sys/kernel/random/uuid
  cat /etc/machine-id
  cat /proc/sys/kernel/random/boot_id
  hostname
  python3 -c 'import os, random, uuid; print(os.urandom(16).hex(), random.random(), uuid.uuid4())'`;

test('two clones share no random bytes, machine id, boot id, host name or clock skew', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  const boxes = [await engine.sandboxes.create({}), await engine.sandboxes.create({})];
  const seen = new Set<string>();
  for (const box of boxes) {
    assert.equal(box.metadata.bootKind, 'snapshot');
    const before = Date.now();
    const { stdout } = await sh(engine, box.id, `${identity}; date +%s%N`);
    const lines = stdout.trim().split('\n');
    assert.equal(lines.length, 7, stdout);
    const clock = Number(BigInt(lines.pop() ?? '0') / 1_000_000n);
    assert.ok(clock >= before - 1000 && clock <= Date.now() + 1000, `the clock is off: ${clock} against ${before}`);
    for (const line of lines) {
      assert.ok(line.length >= 4, stdout);
      assert.ok(!seen.has(line), `both have ${line}`);
      seen.add(line);
    }
  }
});

test('what one clone writes no other sees', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using one = await sandbox(engine);
  await using two = await sandbox(engine);
  await sh(engine, one.id, 'echo secret > /home/user/secret; echo changed > /etc/motd; sync');
  assert.notEqual((await sh(engine, two.id, 'cat /home/user/secret')).exit.exitCode, 0);
  assert.ok(!(await sh(engine, two.id, 'cat /etc/motd')).stdout.includes('changed'));
  await using three = await sandbox(engine);
  assert.notEqual((await sh(engine, three.id, 'cat /home/user/secret')).exit.exitCode, 0);
});

test('ten sandboxes are created at once and all work', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  const boxes = await Promise.all(Array.from({ length: 10 }, () => engine.sandboxes.create({ memoryMb: 256 })));
  const answers = await Promise.all(
    boxes.map(async ({ id }, index) => (await sh(engine, id, `echo $((${index} * 7))`)).stdout.trim()),
  );
  assert.deepEqual(
    answers,
    boxes.map((_, index) => String(index * 7)),
  );
  assert.equal(new Set(boxes.map(({ id }) => id)).size, 10);
});

test('another memory size gets a snapshot of its own, which is kept', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  const first = await engine.sandboxes.create({ memoryMb: 300 });
  const second = await engine.sandboxes.create({ memoryMb: 300 });
  assert.deepEqual([first.metadata.bootKind, second.metadata.bootKind], ['snapshot', 'snapshot']);
  const total = Number((await sh(engine, second.id, "awk '/MemTotal/ {print $2}' /proc/meminfo")).stdout) / 1024;
  assert.ok(total > 200 && total < 300, `${total} MiB`);
});

test('what a snapshot cannot serve boots cold, with the same result', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine, { kernelArgs: 'nova.test=1', vcpus: 2 });
  assert.equal(box.metadata.bootKind, 'cold');
  assert.match((await sh(engine, box.id, 'cat /proc/cmdline')).stdout, /nova\.test=1/);
  assert.equal((await sh(engine, box.id, 'nproc; python3 -c "print(6 * 7)"')).stdout, '2\n42\n');
});

test('a stopped sandbox keeps its disk and starts again', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  const { id } = await engine.sandboxes.create({ name: 'keeper', env: { GREETING: 'hello' } });
  await sh(engine, id, 'echo kept > /home/user/file');
  assert.equal((await engine.sandboxes.stop('keeper')).state, 'stopped');
  assert.equal((await engine.sandboxes.stop(id)).state, 'stopped');
  const again = await engine.sandboxes.start('keeper');
  assert.equal(again.metadata.bootKind, 'cold');
  assert.equal((await sh(engine, id, 'cat /home/user/file; echo $GREETING; hostname')).stdout, 'kept\nhello\nkeeper\n');
});

test('pause stands still, resume goes on with the right time', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine);
  const counting = await engine.exec.start(box.id, {
    argv: ['/bin/sh', '-c', 'i=0; while [ $i -lt 40 ]; do echo $i; i=$((i+1)); sleep 0.05; done'],
  });
  assert.equal((await engine.sandboxes.pause(box.id)).state, 'paused');
  assert.equal((await engine.sandboxes.pause(box.id)).state, 'paused');
  await assert.rejects(engine.exec.ping(box.id), { code: 'sandbox_not_running' });
  await new Promise((resolve) => setTimeout(resolve, 2500));
  assert.equal((await engine.sandboxes.resume(box.id)).state, 'running');
  let lines = '';
  for await (const { bytes } of counting.output) lines += Buffer.from(bytes).toString();
  assert.equal(lines.trim().split('\n').length, 40);
  const before = Date.now();
  const clock = Number((await sh(engine, box.id, 'date +%s%3N')).stdout);
  const toleranceMs = 500;
  assert.ok(clock > before - toleranceMs && clock < Date.now() + toleranceMs, `off by ${clock - before} ms`);
});
