import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Sandbox, Snapshot, type NovaError } from 'novasandbox';
import { eventually } from '../support/eventually.ts';
import { sdkUnderTest, type SdkUnderTest } from '../support/sdk.ts';

/** Snapshots, forks and races by the library, on real VMs. */

const small = { memoryMb: 256, enableNetwork: false };

const ids = async ({ home }: SdkUnderTest): Promise<string[]> =>
  (await Sandbox.list({ home: home.home, all: true })).map(({ id }) => id).toSorted();

test('a race keeps the best child with what it has done, and the sandbox goes on', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create(small);
  await sandbox.files.write('/dev/shm/numbers', '3 1 2');
  {
    await using best = await sandbox.race({
      count: 3,
      name: 'try',
      run: async (child, index, signal) => {
        const script = `cat /dev/shm/numbers > ~/seen; echo ${index} > ~/chosen; cut -d' ' -f${index + 1} /dev/shm/numbers`;
        if (index === 2) return child.commands.run('exit 7', { signal });
        return child.commands.run(script, { signal });
      },
      score: ({ stdout }) => Number(stdout),
    });
    assert.deepEqual([best.index, best.score, best.sandbox.name], [0, 3, 'try-1']);
    assert.match(String(best.branches[2]?.error), /exited with 7|exit code 7|ended with 7/);
    assert.equal(await best.sandbox.files.read('chosen'), '0\n');
    assert.equal(await best.sandbox.files.read('seen'), '3 1 2');
    assert.deepEqual(await ids(sdk), [sandbox.id, best.sandbox.id].toSorted());
  }
  assert.deepEqual(await ids(sdk), [sandbox.id]);
  assert.equal(await sandbox.files.exists('chosen'), false);
});

test('a race that is cancelled, and one whose branches all take too long, leave nothing', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create(small);
  const caller = new AbortController();
  const racing = sandbox.race({
    count: 2,
    signal: caller.signal,
    run: async (child) => {
      const sleeping = await child.commands.run('sleep 100000', { background: true });
      caller.abort();
      return sleeping.wait();
    },
    score: () => 1,
  });
  await assert.rejects(racing, { code: 'cancelled' });
  assert.deepEqual(await ids(sdk), [sandbox.id]);

  const early = AbortSignal.timeout(1);
  await assert.rejects(sandbox.race({ count: 2, signal: early, run: () => 1, score: () => 1 }), { code: 'cancelled' });
  assert.deepEqual(await ids(sdk), [sandbox.id]);

  const late = sandbox.race({
    count: 2,
    timeoutMs: 500,
    run: (child) => child.commands.run('sleep 100000'),
    score: () => 1,
  });
  await assert.rejects(late, (error) => {
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(
      error.errors.map((each: NovaError) => each.code),
      ['command_timeout', 'command_timeout'],
    );
    return true;
  });
  assert.deepEqual(await ids(sdk), [sandbox.id]);
  assert.equal((await sandbox.commands.run('echo goes on')).stdout, 'goes on\n');
});

test('a fork of a fork of a fork knows what each has done, and each handle ends its own', async () => {
  await using sdk = await sdkUnderTest();
  await using first = await sdk.create(small);
  const note = (of: Sandbox, word: string) =>
    of.commands.run(`echo ${word} >> /dev/shm/words; echo ${word} >> ~/words`);
  const words = async (of: Sandbox) =>
    (await of.commands.run('cat /dev/shm/words ~/words')).stdout.split('\n').join(' ');
  await note(first, 'one');
  {
    await using second = await first.fork({ labels: { generation: 'second' } });
    await note(second, 'two');
    await using third = await second.fork();
    await note(third, 'three');
    await using fourth = await third.fork();
    assert.equal(await words(fourth), 'one two three one two three ');
    assert.equal(await words(second), 'one two one two ');
    assert.equal(await words(first), 'one one ');
    assert.equal((await second.getInfo()).labels['generation'], 'second');
    const origins = [first, second, third, fourth].map(async (each) => (await each.getInfo()).forkedFrom);
    assert.deepEqual(await Promise.all(origins), [null, first.id, second.id, third.id]);
    const hostnames = [first, second, third, fourth].map(async (each) => (await each.commands.run('hostname')).stdout);
    assert.equal(new Set(await Promise.all(hostnames)).size, 4);
    await fourth.disconnect();
  }
  const [left] = (await ids(sdk)).filter((id) => id !== first.id);
  assert.ok(left !== undefined, 'the handle that was disconnected leaves its sandbox');
  assert.equal(await Sandbox.kill(left, sdk.home), true);
});

test('a sandbox that is taken back has its processes of then, and its handle goes on', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create({ ...small, name: 'box' });
  await sandbox.commands.run('echo then > /dev/shm/state; nohup sleep 100000 > /dev/null 2>&1 &');
  const snapshot = await sandbox.snapshot({ name: 'then', description: 'something runs' });
  assert.equal(snapshot.info.sandboxName, 'box');
  await sandbox.commands.run('echo since > /dev/shm/state; pkill -x sleep');
  const since = await sandbox.commands.run('cat', { background: true, stdin: true });
  const waiting = assert.rejects(since.wait(), { code: 'guest_unreachable' });

  await sandbox.restore(snapshot);
  await waiting;
  assert.deepEqual([sandbox.state, sandbox.name], ['running', 'box']);
  const look = 'cat /dev/shm/state; pgrep -x sleep > /dev/null && echo sleeps; hostname';
  assert.equal((await sandbox.commands.run(look)).stdout, 'then\nsleeps\nbox\n');
  const pty = await sandbox.pty.create({ cols: 80, rows: 24 });
  await pty.sendInput('exit\n');
  await pty.wait();

  // The handle still learns of an end that it did not ask for, and takes the sandbox back from there too.
  {
    await using other = await Sandbox.connect('box', sdk.home);
    await other.stop({ force: true });
  }
  await eventually('the handle knows that it has stopped', () => !sandbox.isRunning());
  await sandbox.restore('then');
  assert.equal(sandbox.isRunning(), true);
  assert.equal((await sandbox.commands.run(look)).stdout, 'then\nsleeps\nbox\n');
  assert.equal(await snapshot.remove(), true);
  await assert.rejects(sandbox.restore('then'), { code: 'snapshot_not_found' });
});

test('a snapshot outlives its sandbox, and several sandboxes go on from it at once', async () => {
  await using sdk = await sdkUnderTest();
  const folder = await mkdtemp(join(tmpdir(), 'nova-saved-'));
  try {
    const connection = { home: sdk.home.home };
    let snapshot: Snapshot;
    {
      await using sandbox = await sdk.create({ ...small, labels: { of: 'original' } });
      await sandbox.files.write('/dev/shm/state', 'kept');
      snapshot = await sandbox.snapshot({ labels: { stage: 'ready' } });
      assert.deepEqual(
        (await sandbox.snapshots()).map(({ id }) => id),
        [snapshot.id],
      );
    }
    const found = await Snapshot.list({ ...connection, labels: { stage: 'ready' } });
    assert.deepEqual(
      found.map(({ id }) => id),
      [snapshot.id],
    );
    assert.deepEqual((await Snapshot.get(snapshot.id.slice(0, 12), connection)).info, snapshot.info);
    assert.deepEqual(await snapshot.verify(), { valid: true, problems: [] });
    const made = await Promise.all([snapshot.createSandbox(), snapshot.createSandbox({ labels: {} })]);
    const states = made.map((each) => each.files.read('/dev/shm/state'));
    assert.deepEqual(await Promise.all(states), ['kept', 'kept']);
    assert.deepEqual(await Promise.all(made.map(async (each) => (await each.getInfo()).labels['of'])), [
      'original',
      undefined,
    ]);
    const origins = await Promise.all(made.map((each) => each.getInfo()));
    assert.deepEqual(
      origins.map(({ snapshotId, forkedFrom }) => [snapshotId, forkedFrom]),
      [
        [snapshot.id, null],
        [snapshot.id, null],
      ],
    );
    await Promise.all(made.map((each) => each.kill()));

    const file = join(folder, 'saved');
    await snapshot.save(file);
    const loaded = await Snapshot.load(file, { ...connection, name: 'loaded' });
    assert.equal((await Snapshot.statistics(connection)).count, 2);
    await snapshot.remove();
    {
      await using again = await loaded.createSandbox();
      assert.equal(await again.files.read('/dev/shm/state'), 'kept');
    }
    assert.deepEqual(
      (await Snapshot.removeOlder(0, connection)).map(({ id }) => id),
      [loaded.id],
    );
    assert.equal(await loaded.remove(), false);
  } finally {
    await rm(folder, { recursive: true });
  }
});
