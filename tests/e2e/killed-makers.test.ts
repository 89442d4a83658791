import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createEngine, processesNaming } from '@novasandbox/engine';
import { isThere } from '../support/is-there.ts';
import { eventually } from '../support/eventually.ts';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { serverUnderTest } from '../support/server.ts';
import { assertNoLeaks, findLeaks } from '../support/leaks.ts';
import { testHome, type TestHome } from '../support/test-home.ts';

/** A process that works with an engine of its own, until it is killed. */
function maker({ env }: TestHome, work: string): ChildProcess {
  const script = `
    const { createEngine } = await import('@novasandbox/engine');
    const engine = await createEngine();
    await ${work};`;
  return spawn(process.execPath, ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', script], {
    env,
    cwd: join(import.meta.dirname, '../..'),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

test('what is left of a snapshot whose maker was killed is cleared up by whoever starts next', async () => {
  await using home = await testHome({ own: ['golden', 'work'] });
  const { layout } = home;
  const child = maker(home, "engine.sandboxes.create({ templateId: 'linux-default' })");
  await eventually(
    'a guest boots for the snapshot',
    async () =>
      (await readdir(layout.run)).some((id) => id.startsWith('gold') && processesNaming(layout.sockets(id)).length > 0),
    60_000,
  );
  await kill(child);
  assert.ok((await findLeaks(layout)).some((leak) => leak.startsWith('process')));
  {
    await using engine = await createEngine({ home: home.home });
    await assertNoLeaks(layout);
    assert.deepEqual(await readdir(layout.making), []);
    assert.deepEqual(await engine.sandboxes.list({ all: true }), []);
  }
});

test('so is a probe', async () => {
  await using home = await testHome({ own: ['probes'] });
  const { layout } = home;
  const notes = join(layout.probeDirectory, 'making');
  const child = maker(home, 'engine.hypervisors()');
  const probes = async (): Promise<string[]> =>
    (await readdir(notes).catch(() => [])).filter((name) => name.endsWith('.json'));
  await eventually('a probe is under way', async () => (await probes()).length > 0, 60_000);
  await kill(child);
  assert.ok((await probes()).length > 0);
  {
    await using _engine = await createEngine({ home: home.home });
    assert.deepEqual(await probes(), []);
    assert.deepEqual(
      (await readdir(layout.probeDirectory)).filter((name) => name.startsWith('boot')),
      [],
    );
  }
  await assertNoLeaks(layout);
});

test('a create with an Idempotency-Key whose daemon is killed, at any moment: sent again it makes one VM in all', async () => {
  await using server = await serverUnderTest();
  const { layout } = server.home;
  const moments: readonly [string, () => boolean | Promise<boolean>][] = [
    ['its folder is there', async () => (await readdir(layout.sandboxes)).length > 0],
    [
      'its VMM runs',
      async () => (await readdir(layout.run)).some((id) => processesNaming(layout.sockets(id)).length > 0),
    ],
    [
      'it runs, and nobody has been told',
      async () => {
        await using engine = await createEngine({ home: server.home.home });
        return (await engine.sandboxes.list()).length > 0;
      },
    ],
  ];
  for (const [what, isSo] of moments) {
    const headers = { 'idempotency-key': `key-${what.length}` };
    const lost = server.call('POST', '/vms', { body: {}, headers }).catch(() => null);
    await eventually(what, isSo, 60_000);
    await server.end('SIGKILL');
    await lost;
    await server.restart();
    const again = await server.call('POST', '/vms', { body: {}, headers });
    assert.equal(again.status, 201, `${what}: ${again.bytes.toString()}`);
    const { vms } = await server.ok('GET', '/vms?status=all');
    assert.deepEqual(
      vms.map(({ id, status }: { id: string; status: string }) => [id, status]),
      [[again.body.id, 'running']],
      what,
    );
    assert.deepEqual(await readdir(layout.sandboxes), [again.body.id]);
    await server.ok('DELETE', `/vms/${again.body.id}?force=true`);
  }
});

test('a fork with an Idempotency-Key whose daemon is killed, at any moment: sent again it makes one set in all', async () => {
  await using server = await serverUnderTest();
  const { layout } = server.home;
  const { id: parent } = await server.vm({ memory_mb: 256 });
  const run = async (vm: string, command: string): Promise<string> =>
    (await server.ok('POST', `/vms/${vm}/execute`, { command })).stdout;
  const body = { count: 2, idle_timeout_seconds: 1000 };
  const running = async (): Promise<number> => {
    await using engine = await createEngine({ home: server.home.home });
    return (await engine.sandboxes.list()).filter(({ state }) => state === 'running').length;
  };
  const moments: readonly [string, () => boolean | Promise<boolean>][] = [
    ['a child has its folder', async () => (await readdir(layout.sandboxes)).length > 1],
    ['one runs, and nobody has been told', async () => (await running()) > 1],
    ['all run', async () => (await running()) > 2],
  ];
  for (const [what, isSo] of moments) {
    await run(parent, `echo ${what} > /dev/shm/moment`);
    const headers = { 'idempotency-key': `fork-${what.length}` };
    const lost = server.call('POST', `/vms/${parent}/fork`, { body, headers }).catch(() => null);
    await eventually(what, isSo, 60_000);
    await server.end('SIGKILL');
    const before = await lost;
    await server.restart();
    const again = await server.call('POST', `/vms/${parent}/fork`, { body, headers });
    assert.equal(again.status, 201, `${what}: ${again.bytes.toString()}`);
    const children = again.body.results.map(({ vm }: { vm: { id: string } }) => vm.id) as string[];
    if (before !== null) assert.deepEqual(again.body, before.body);
    const { vms } = await server.ok('GET', '/vms?status=all');
    const all = new Set(vms.map(({ id }: { id: string }) => id));
    assert.deepEqual([vms.length, all], [children.length + 1, new Set([parent, ...children])], what);
    for (const child of children) {
      assert.equal(await run(child, 'cat /dev/shm/moment'), `${what}\n`);
      assert.equal((await server.ok('GET', `/vms/${child}/limits`)).idle_timeout_seconds, 1000);
    }
    const { body: same } = await server.call('POST', `/vms/${parent}/fork`, { body, headers });
    assert.deepEqual(same, again.body);
    for (const child of children) await server.ok('DELETE', `/vms/${child}?force=true`);
  }
});

test('a snapshot with an Idempotency-Key whose daemon is killed, at any moment: sent again it takes one in all', async () => {
  await using server = await serverUnderTest();
  const { layout } = server.home;
  const { id } = await server.vm({ memory_mb: 256 });
  {
    // Between a snapshot and its stored answer there are moments only: no answer is stored here.
    using store = new DatabaseSync(layout.daemon.database);
    store.exec(
      "CREATE TRIGGER lost BEFORE INSERT ON answers WHEN NEW.status <> 0 BEGIN SELECT RAISE(ABORT, 'lost'); END",
    );
  }
  const folders = (): Promise<string[]> => readdir(layout.snapshots).catch(() => []);
  const moments: readonly [string, () => boolean | Promise<boolean>][] = [
    [
      'it is being written',
      async () => (await readdir(layout.instants.workDirectory)).some((name) => !name.endsWith('.lock')),
    ],
    ['its folder is there', async () => (await folders()).length > 0],
    [
      'it is recorded',
      async () => {
        await using engine = await createEngine({ home: server.home.home });
        return (await engine.snapshots.list()).length > 0;
      },
    ],
  ];
  for (const [what, isSo] of moments) {
    const request = { body: { name: 'mine' }, headers: { 'idempotency-key': `snapshot-${what.length}` } };
    const lost = server.call('POST', `/vms/${id}/snapshots`, request).catch(() => null);
    await eventually(what, isSo);
    await server.end('SIGKILL');
    const before = await lost;
    if (what === 'its folder is there') {
      // It is recorded moments later.
      using store = new DatabaseSync(layout.storeFile);
      store.exec('DELETE FROM snapshots');
    }
    await server.restart();
    const again = await server.call('POST', `/vms/${id}/snapshots`, request);
    assert.equal(again.status, 201, `${what}: ${again.bytes.toString()}`);
    if (before !== null) assert.deepEqual(again.body, before.body, what);
    const same = await server.call('POST', `/vms/${id}/snapshots`, request);
    assert.deepEqual([same.body, same.headers.get('idempotency-replayed')], [again.body, 'true'], what);
    const { snapshots } = await server.ok('GET', '/snapshots');
    assert.deepEqual(snapshots, [again.body], what);
    assert.deepEqual(await folders(), [again.body.id], what);
    assert.deepEqual(await server.ok('POST', `/snapshots/${again.body.id}/verify`), { valid: true, problems: [] });
    await server.ok('DELETE', `/snapshots/${again.body.id}`);
  }
  // A volume too is found again.
  const request = { body: { name: 'data' }, headers: { 'idempotency-key': 'volume' } };
  const made = await server.call('POST', '/volumes', request);
  await server.end('SIGKILL');
  await server.restart();
  const again = await server.call('POST', '/volumes', request);
  assert.deepEqual([again.status, again.body.id], [201, made.body.id], again.bytes.toString());
});

test('a removal whose process was killed is finished by whoever looks next', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  const runs = await engine.sandboxes.create({});
  const stopped = await engine.sandboxes.create({});
  await engine.sandboxes.stop(stopped.id, { force: true });
  const gone = { pid: 2 ** 22 + 1, startTime: '1' };
  {
    using store = new DatabaseSync(layout.storeFile);
    store
      .prepare("UPDATE sandboxes SET record = json_set(record, '$.goesWithMaker', json('true'), '$.maker', json(?))")
      .run(JSON.stringify(gone));
  }
  await using next = await createEngine({ home: layout.home });
  assert.deepEqual(await next.sandboxes.list({ all: true }), []);
  assert.deepEqual(processesNaming(layout.sockets(runs.id)), []);
});

test('a VMM that is killed while its sandbox is made costs no snapshot: the create goes on with the same', async () => {
  await using under = await engineUnderTest({ own: ['golden'] });
  const { engine, layout } = under;
  await using _first = await sandbox(engine, { templateId: 'linux-default' });
  const [digest = ''] = await readdir(layout.goldenSnapshots);
  const { ino } = await stat(layout.golden(digest));
  /** Ends the VMM as soon as it exists; false where it was not seen before its sandbox was made. */
  const killed = async (creating: Promise<unknown>): Promise<boolean> => {
    let made = false;
    const ended = creating.then(
      () => (made = true),
      () => (made = true),
    );
    while (!made) {
      for (const id of await readdir(layout.sandboxes)) {
        if (id === _first.id) continue;
        const [vmm] = processesNaming(layout.sockets(id));
        if (vmm === undefined) continue;
        process.kill(vmm.pid, 'SIGKILL');
        await ended;
        return true;
      }
      await turn();
    }
    return false;
  };
  for (;;) {
    const creating = engine.sandboxes.create({ templateId: 'linux-default' });
    const wasKilled = await killed(creating);
    const made = await creating;
    await engine.sandboxes.remove(made.id, { force: true });
    if (!wasKilled) continue;
    assert.equal(made.metadata.bootKind, 'snapshot');
    break;
  }
  assert.deepEqual(await readdir(layout.goldenSnapshots), [digest]);
  assert.equal((await stat(layout.golden(digest))).ino, ino);
});

test('start after the VMM was killed starts it anew, at once', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  const { id } = await engine.sandboxes.create({});
  const pids = processesNaming(layout.sockets(id)).map(({ pid }) => pid);
  assert.ok(pids.length > 0);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  // A process that ends has lost its command line some moments before it is gone.
  await eventually('it has ended', () => !pids.some(isThere));
  assert.equal((await engine.sandboxes.start(id)).state, 'running');
  assert.equal((await sh(engine, id, 'echo runs')).stdout, 'runs\n');
});

test('a command whose child the kernel kills for memory says so, under a shell too', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine, { templateId: 'linux-default', memoryMb: 160 });
  const { exit } = await sh(engine, box.id, 'tail /dev/zero; exit $?');
  assert.deepEqual([exit.exitCode, exit.oomKilled], [137, true]);
  // A shell that exits with 137 itself was not killed.
  assert.equal((await sh(engine, box.id, 'exit 137')).exit.oomKilled, false);
});
