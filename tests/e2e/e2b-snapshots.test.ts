import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { SandboxOpts } from 'e2b';
import { clients, type Box } from '../support/e2b-clients.ts';
import { e2bUnderTest, type E2bUnderTest } from '../support/e2b-server.ts';

for (const { version, e2b } of clients) {
  suite(`npm e2b ${version}: snapshots and forks`, () => {
    let served: E2bUnderTest;
    before(async () => {
      served = await e2bUnderTest();
    });
    after(async () => {
      await served[Symbol.asyncDispose]();
    });
    const { Sandbox } = e2b;
    const killed = (box: Box): Box & AsyncDisposable =>
      Object.assign(box, { [Symbol.asyncDispose]: async () => void (await box.kill()) });
    const create = async (template = 'base', options: SandboxOpts = {}): Promise<Box & AsyncDisposable> =>
      killed(await Sandbox.create(template, { ...served.options, ...options }));
    const out = async (box: Box, command: string): Promise<string> => (await box.commands.run(command)).stdout.trim();
    const idsOf = async (query: object = {}): Promise<string[][]> => {
      const pages: string[][] = [];
      const paginator = Sandbox.listSnapshots({ ...served.options, ...query });
      while (paginator.hasNext) pages.push((await paginator.nextItems()).map(({ snapshotId }) => snapshotId));
      return pages;
    };

    test('a snapshot makes sandboxes that go on where it was taken, by its id or name, until it is deleted', async () => {
      const box = await create('base', { metadata: { of: 'first' }, envs: { A: 'a' } });
      const sleeper = await box.commands.run('sleep 1000', { background: true, timeoutMs: 0 });
      await box.files.write('note', 'one');
      const first = await box.createSnapshot();
      assert.deepEqual(first.names, []);
      await box.files.write('note', 'two');
      const named = await box.createSnapshot({ name: 'mine' });
      assert.deepEqual(named, { snapshotId: 'mine:default', names: ['mine:default'] });
      await sleeper.disconnect();
      assert.equal(await box.isRunning(), true);

      assert.deepEqual(await idsOf(), [['mine:default', first.snapshotId]]);
      assert.deepEqual(await idsOf({ limit: 1 }), [['mine:default'], [first.snapshotId]]);
      assert.deepEqual(await idsOf({ sandboxId: 'abcdefgh' }), [[]]);
      assert.deepEqual(await idsOf({ sandboxId: box.sandboxId, name: 'mine' }), [['mine:default']]);
      assert.equal(await box.kill(), true);

      {
        await using one = await create(first.snapshotId, { metadata: { of: 'second' }, envs: { B: 'b' } });
        await using two = await create('mine', { timeoutMs: 600_000 });
        assert.deepEqual([await one.files.read('note'), await two.files.read('note')], ['one', 'two']);
        assert.ok((await one.commands.list()).some(({ pid }) => pid === sleeper.pid));
        assert.equal(await out(one, 'echo $A$B'), 'ab');
        const info = await one.getInfo();
        assert.deepEqual([info.state, info.metadata], ['running', { of: 'second' }]);
        assert.ok((await two.getInfo()).endAt.getTime() > Date.now() + 590_000);
        assert.notEqual(await out(one, 'cat /etc/machine-id'), await out(two, 'cat /etc/machine-id'));
        // The token of the one that was snapshotted, and that of another, open neither.
        assert.notEqual(Reflect.get(one, 'envdAccessToken'), Reflect.get(two, 'envdAccessToken'));
      }
      await using again = await create('mine:default');
      await again.files.write('note', 'three');
      await again.createSnapshot({ name: 'mine' });
      assert.deepEqual(await idsOf(), [['mine:default', first.snapshotId]]);
      {
        await using newest = await create('mine');
        assert.equal(await newest.files.read('note'), 'three');
      }
      assert.equal(await Sandbox.deleteSnapshot('mine', served.options), true);
      assert.equal(await Sandbox.deleteSnapshot('mine', served.options), false);
      await assert.rejects(create('mine'), /template 'mine' not found/);
      assert.equal(await Sandbox.deleteSnapshot(first.snapshotId, served.options), true);
      await assert.rejects(create(first.snapshotId), /not found/);
      assert.deepEqual(await idsOf(), [[]]);
      await assert.rejects(Sandbox.createSnapshot('abcdefgh', served.options), e2b.SandboxNotFoundError);
    });

    test('a fork makes running children of one instant; each lives, and ends, on its own', async () => {
      await using parent = await create('base', { metadata: { of: 'parent' } });
      const counter = await parent.commands.run('n=0; while :; do n=$((n+1)); echo $n >/dev/shm/n; sleep 0.1; done', {
        background: true,
        timeoutMs: 0,
      });
      await parent.commands.run('until [ -s /dev/shm/n ]; do sleep 0.1; done');
      const forks = await parent.fork({ count: 2, timeoutMs: 200_000 });
      assert.equal(forks.length, 2);
      const children = forks.map((each) => {
        assert.ok(each instanceof Sandbox, JSON.stringify(each));
        return each as Box;
      });
      const [one, two] = children as [Box, Box];
      for (const child of children) {
        assert.ok((await child.commands.list()).some(({ pid }) => pid === counter.pid));
        assert.ok(Number(await out(child, 'cat /dev/shm/n')) > 0);
        const info = await child.getInfo();
        assert.deepEqual(info.metadata, { of: 'parent' });
        assert.ok(info.endAt.getTime() < Date.now() + 201_000);
      }
      await one.commands.run('touch only-one');
      assert.equal(await out(two, 'ls'), '');
      assert.equal(await one.kill(), true);
      assert.equal(await two.isRunning(), true);
      const [single] = await Sandbox.fork(two.sandboxId, served.options);
      assert.ok(single instanceof Sandbox, JSON.stringify(single));
      await using _single = killed(single);
      assert.equal(await two.kill(), true);
      assert.equal(await out(parent, 'echo here'), 'here');
      await counter.kill();
      await assert.rejects(Sandbox.fork('abcdefgh', served.options), e2b.SandboxNotFoundError);
      await assert.rejects(parent.fork({ count: 101 }), /count/);
    });

    test('a child is guarded as its parent is', async () => {
      await using parent = await create('base', { network: { allowPublicTraffic: false } });
      const [child] = await parent.fork();
      assert.ok(child instanceof Sandbox, JSON.stringify(child));
      await using box = killed(child);
      assert.notEqual(box.trafficAccessToken, undefined);
      assert.notEqual(box.trafficAccessToken, parent.trafficAccessToken);
      const list = (token: string): Promise<Response> =>
        fetch(`${served.url}/process.Process/List`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'e2b-sandbox-id': box.sandboxId, 'x-access-token': token },
          body: '{}',
        });
      assert.equal((await list(String(Reflect.get(box, 'envdAccessToken')))).status, 200);
      assert.equal((await list(String(Reflect.get(parent, 'envdAccessToken')))).status, 401);
    });
  });
}
