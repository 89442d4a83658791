import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { layoutAt, type Engine, type Layout } from '@novasandbox/engine';
import type { Collected } from '@novasandbox/protocol';
import { engineUnderTest, sandbox, sh, type EngineUnderTest } from '../support/engine.ts';

/** Housekeeping: what is needed stays, what is not goes, and what is made meanwhile is not disturbed. */

/** An engine whose images and golden snapshots are its own, with copies of the machine's images. */
async function ownImages(): Promise<EngineUnderTest> {
  const under = await engineUnderTest({ own: ['golden', 'work', 'rootfs'] });
  const machine = dirnameOf(layoutAt());
  execFileSync('cp', ['-a', '--reflink=auto', '--sparse=always', `${machine}/.`, dirnameOf(under.layout)]);
  // Images of the machine that nothing here refers to, such as one that was given by its path, are not what is tested.
  await under.engine.storage.collect();
  return under;
}
const dirnameOf = (layout: Layout): string => join(layout.rootfs('lock'), '..');

const out = async (engine: Engine, id: string, script: string): Promise<string> =>
  (await sh(engine, id, script)).stdout.trim();

const golden = (layout: Layout): Promise<string[]> => readdir(layout.goldenSnapshots);

/** What golden snapshots are when the next one has taken their place (golden/in-use.ts). */
async function retireAll(layout: Layout): Promise<void> {
  for (const name of await golden(layout)) await rename(layout.golden(name), layout.golden(`${name}r1`));
}

const removed = ({ removed: things }: Collected, kind: string): string[] =>
  things.filter((each) => each.kind === kind).map(({ name }) => name);

test('a base stays while a clone lives or sleeps, or a snapshot needs it, and goes afterwards', async () => {
  await using under = await ownImages();
  const { engine, layout } = under;
  const made = await engine.sandboxes.create({});
  await sh(engine, made.id, 'echo here > /dev/shm/here');
  const snapshot = await engine.snapshots.take(made.id);
  assert.ok(snapshot.incremental);
  const [sleeping] = await engine.snapshots.fork(made.id).then((children) => children.map((each) => each.sandbox));
  assert.ok(sleeping !== null && sleeping !== undefined);
  await engine.sandboxes.hibernate(sleeping.id);
  // As processes leave them that are killed while they remove or write memory.
  const left = ['memory', 'memory.new'].map((name) => join(layout.sandbox(made.id), name));
  for (const folder of left) await cp(join(layout.sandbox(sleeping.id), 'memory'), folder, { recursive: true });
  const gone = removed(await engine.storage.collect(), 'sandbox');
  assert.deepEqual(gone, [`sandboxes/${made.id}/memory.new`, `sandboxes/${made.id}/memory`]);
  assert.deepEqual(left.filter(existsSync), []);
  await retireAll(layout);
  const base = await golden(layout);
  assert.equal(base.length, 1);
  // Another has taken its place: the clones of the one before still write only what differs from that one.
  const [retired = ''] = base;
  const next = layout.golden(retired.slice(0, 32));
  await cp(layout.golden(retired), next, { recursive: true });
  await sh(engine, made.id, 'echo later > /dev/shm/later');
  const late = await engine.snapshots.take(made.id);
  assert.ok(late.incremental);
  await rm(next, { recursive: true });
  assert.deepEqual(await engine.snapshots.verify(late.id), { valid: true, problems: [] });
  {
    await using again = await engine.snapshots.create(late.id).then((info) => held(engine, info.id));
    assert.equal(await out(engine, again.id, 'cat /dev/shm/here /dev/shm/later'), 'here\nlater');
    assert.ok((await engine.snapshots.take(again.id, { name: 'of-its-clone' })).incremental);
    await engine.snapshots.remove('of-its-clone');
  }
  await engine.snapshots.remove(late.id);
  const collectsBase = async (): Promise<boolean> =>
    removed(await engine.storage.collect(), 'golden-snapshot').length > 0;

  assert.equal(await collectsBase(), false);
  await engine.snapshots.remove(snapshot.id);
  await engine.sandboxes.remove(made.id, { force: true });
  assert.equal(await collectsBase(), false, 'a clone of it sleeps');
  await engine.sandboxes.resume(sleeping.id);
  assert.equal(await out(engine, sleeping.id, 'cat /dev/shm/here'), 'here');
  assert.equal(await collectsBase(), false, 'a clone of it lives');

  const dry = engine.storage.collect({ dryRun: true });
  assert.deepEqual(removed(await dry, 'golden-snapshot'), []);
  await engine.sandboxes.remove(sleeping.id, { force: true });
  const shown = await engine.storage.collect({ dryRun: true });
  assert.deepEqual(await golden(layout), base, 'nothing is removed for show');
  const done = await engine.storage.collect();
  assert.deepEqual(removed(done, 'golden-snapshot'), [`golden/${base[0]}`]);
  assert.deepEqual(removed(shown, 'golden-snapshot'), removed(done, 'golden-snapshot'));
  assert.ok(done.freed > 10 << 20, String(done.freed));
  assert.deepEqual(await golden(layout), []);
});

const held = (engine: Engine, id: string) => ({
  id,
  [Symbol.asyncDispose]: () => engine.sandboxes.remove(id, { force: true }),
});

test('a root image that a snapshot knows outlives its template, and goes with the snapshot', async () => {
  await using under = await ownImages();
  const { engine, layout } = under;
  const images = async (): Promise<string[]> =>
    (await readdir(dirnameOf(layout))).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const made = await engine.sandboxes.create({});
  const snapshot = await engine.snapshots.take(made.id);
  await engine.sandboxes.remove(made.id, { force: true });
  // The machine may have those of other templates too.
  const others = (await images()).length - 1;
  await engine.templates.remove('base');
  assert.equal((await images()).length, others + 1, 'it is set aside');
  assert.equal((await engine.templates.inspect('base')).built, false);
  assert.deepEqual(removed(await engine.storage.collect(), 'root-image'), []);
  {
    await using again = await engine.snapshots.create(snapshot.id).then((info) => held(engine, info.id));
    assert.match(await out(engine, again.id, 'cat /etc/os-release'), /debian/i);
    await engine.snapshots.remove(snapshot.id);
    assert.deepEqual(removed(await engine.storage.collect(), 'root-image'), []);
  }
  assert.equal(removed(await engine.storage.collect(), 'root-image').length, 1);
  assert.equal((await images()).length, others);
});

test('a snapshot that the store has lost is adopted again, also with all that it needs', async () => {
  await using under = await ownImages();
  const { engine, layout } = under;
  const made = await engine.sandboxes.create({ name: 'kept' });
  await sh(engine, made.id, 'echo here > /dev/shm/here');
  const snapshot = await engine.snapshots.take(made.id, { name: 'lost' });
  await engine.sandboxes.remove(made.id, { force: true });
  await retireAll(layout);
  // As a process does that is killed between the two steps of a removal, or a store that was restored.
  const aside = join(layout.home, 'aside');
  await rename(layout.snapshot(snapshot.id), aside);
  await engine.snapshots.remove(snapshot.id);
  await rename(aside, layout.snapshot(snapshot.id));
  assert.deepEqual(await engine.snapshots.list(), []);

  assert.match((await engine.storage.usage()).problems.join(), new RegExp(snapshot.id));
  const { adopted } = await engine.storage.collect({ dryRun: true });
  assert.deepEqual([adopted, await engine.snapshots.list()], [[snapshot.id], []]);
  const done = await engine.storage.collect({ all: true });
  assert.deepEqual([done.adopted, done.problems], [[snapshot.id], []]);
  assert.deepEqual(await engine.snapshots.get('lost'), snapshot);
  await using again = await engine.snapshots.create('lost').then((info) => held(engine, info.id));
  assert.equal(await out(engine, again.id, 'cat /dev/shm/here'), 'here');

  await rm(layout.snapshot(snapshot.id), { recursive: true });
  assert.match((await engine.storage.collect()).problems.join(), /The files of the snapshot lost are missing/);
});

/** A process with an engine of its own that makes and removes sandboxes of all kinds, and snapshots. */
const busyWork = `
  const { createEngine } = await import('@novasandbox/engine');
  await using engine = await createEngine();
  const sh = async (id, script) => {
    const { output, exit } = await engine.exec.start(id, { argv: ['sh', '-c', script], user: 'root' });
    const parts = [];
    for await (const { bytes } of output) parts.push(bytes);
    if ((await exit).exitCode !== 0) throw new Error(script);
    return Buffer.concat(parts).toString();
  };
  for (let round = 0; round < 3; round++) {
    const { id } = await engine.sandboxes.create({});
    await sh(id, 'echo kept > /dev/shm/here');
    const snapshot = await engine.snapshots.take(id);
    const [{ sandbox, error }] = await engine.snapshots.fork(id);
    if (error !== null) throw error;
    await engine.sandboxes.remove(id, { force: true });
    await engine.sandboxes.hibernate(sandbox.id);
    const resumed = await engine.sandboxes.resume(sandbox.id);
    if (resumed.reason !== null) throw new Error(resumed.reason);
    const again = await engine.snapshots.create(snapshot.id);
    for (const each of [sandbox.id, again.id]) {
      if ((await sh(each, 'cat /dev/shm/here')) !== 'kept\\n') throw new Error('lost');
      await engine.sandboxes.remove(each, { force: true });
    }
    await engine.snapshots.remove(snapshot.id);
  }`;

test('it removes nothing that another process makes or uses meanwhile, and refuses it nothing', async () => {
  await using under = await engineUnderTest();
  const { engine, layout, home } = under;
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', busyWork],
    {
      env: home.env,
      cwd: join(import.meta.dirname, '../..'),
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  const ended = once(child, 'exit');
  let rounds = 0;
  for (; child.exitCode === null && child.signalCode === null; rounds++) {
    const { problems } = await engine.storage.collect();
    assert.deepEqual(problems, []);
  }
  assert.deepEqual(await ended, [0, null]);
  assert.ok(rounds > 3, String(rounds));
  for (const folder of [layout.instants.workDirectory, layout.snapshots, layout.sandboxes])
    assert.deepEqual(await readdir(folder), []);
});

test('sizes add up to what the files take', async () => {
  await using under = await engineUnderTest({ own: ['golden', 'work'] });
  const { engine, layout } = under;
  await using made = await sandbox(engine);
  await engine.snapshots.take(made.id);
  const usage = await engine.storage.usage();
  const sum = (field: 'bytes' | 'reclaimable'): number => usage.kinds.reduce((total, each) => total + each[field], 0);
  assert.deepEqual([sum('bytes'), sum('reclaimable')], [usage.used, usage.reclaimable]);
  const countOf = (kind: string): number | undefined => usage.kinds.find((each) => each.kind === kind)?.count;
  assert.deepEqual([countOf('sandbox'), countOf('snapshot'), countOf('golden-snapshot')], [1, 1, 1]);
  const onDisk = Number(
    execFileSync('du', ['-s', '-B1', '-D', `${layout.home}/.`])
      .toString()
      .split('\t')[0],
  );
  const linked = usage.kinds.filter(({ kind }) =>
    ['root-image', 'kernel', 'initramfs', 'program', 'probe'].includes(kind),
  );
  const own = usage.used - linked.reduce((total, { bytes }) => total + bytes, 0);
  // The guest writes meanwhile, and the folders of the kinds themselves are not counted.
  assert.ok(Math.abs(own - onDisk) < 4 << 20, `${own} instead of ${onDisk}`);
  assert.ok(usage.complete && usage.free > 0 && usage.total > usage.free);
});
