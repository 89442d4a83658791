import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createEngine, layoutAt, type Engine } from '@novasandbox/engine';
import { engineUnderTest, sh } from '../support/engine.ts';
import type { TestHome } from '../support/test-home.ts';

/** A process that works on the state of a sandbox may be killed at any moment: the last good state is left. */

/**
 * Starts a process with an engine of its own, and kills it `afterMs` after it has begun its work. Returns whether it
 * had finished before.
 */
async function killedAt({ env }: TestHome, work: string, afterMs: number): Promise<boolean> {
  const script = `
    const { createEngine } = await import('@novasandbox/engine');
    const engine = await createEngine();
    console.log('begins');
    await ${work};
    console.log('done');
    setInterval(() => undefined, 1000);`;
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', script],
    {
      env,
      cwd: join(import.meta.dirname, '../..'),
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const ended = once(child, 'exit');
  let last = '';
  const begun = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    last = line;
    begun.resolve();
  });
  await Promise.race([begun.promise, ended]);
  assert.equal(child.exitCode, null, 'it works');
  await delay(afterMs);
  child.kill('SIGKILL');
  await ended;
  return last === 'done';
}

/** Kills at moments that are spread over the time that the work takes, and a little longer. */
async function* kills(
  home: TestHome,
  work: string,
  count: number,
  prepare: () => void = () => undefined,
): AsyncGenerator<number> {
  // The first kill that comes too late tells how long the work takes here.
  let longestMs = 2000;
  for (let index = 0; index < count; index++) {
    const afterMs = (longestMs * index) / count;
    prepare();
    if (await killedAt(home, work, afterMs)) longestMs = Math.max(200, afterMs);
    yield index;
  }
}

const out = async (engine: Engine, id: string, script: string): Promise<string> =>
  (await sh(engine, id, script)).stdout.trim();

test('a kill while a snapshot is taken leaves no half of one, and the sandbox runs on', async () => {
  await using under = await engineUnderTest();
  const { engine, home, layout } = under;
  const { id } = await engine.sandboxes.create({});
  for await (const index of kills(home, `engine.snapshots.take('${id}')`, 15)) {
    assert.equal(await out(engine, id, `echo ${index} >> /dev/shm/line; tail -1 /dev/shm/line`), String(index));
    assert.equal((await engine.sandboxes.get(id)).state, 'running');
    for (const snapshot of await engine.snapshots.list()) {
      assert.deepEqual(await engine.snapshots.verify(snapshot.id), { valid: true, problems: [] });
      await engine.snapshots.remove(snapshot.id);
    }
  }
  assert.equal(await out(engine, id, 'wc -l < /dev/shm/line'), '15');
  await using _next = await createEngine({ home: home.home, recover: true });
  assert.deepEqual(readdirSync(layout.instants.workDirectory), []);
});

test('a kill while children are made leaves none that nobody has, and the parent runs on', async () => {
  await using under = await engineUnderTest();
  const { engine, home, layout } = under;
  const { id } = await engine.sandboxes.create({});
  for await (const index of kills(home, `engine.snapshots.fork('${id}', { count: 2 })`, 15)) {
    assert.equal(await out(engine, id, `echo ${index} >> /dev/shm/line; tail -1 /dev/shm/line`), String(index));
    for (const other of await engine.sandboxes.list({ all: true })) {
      if (other.id === id) continue;
      // Those that were finished have been handed out.
      assert.equal(other.state, 'running');
      assert.equal(await out(engine, other.id, 'echo lives'), 'lives');
      await engine.sandboxes.remove(other.id, { force: true });
    }
  }
  await using _next = await createEngine({ home: home.home, recover: true });
  assert.deepEqual(readdirSync(layout.instants.workDirectory), []);
  assert.deepEqual(readdirSync(layout.sandboxes), [id]);
});

test('a kill while what nobody needs is removed takes nothing that somebody needs, and the next one removes the rest', async () => {
  await using under = await engineUnderTest({ own: ['golden', 'work', 'rootfs'] });
  const { engine, home, layout } = under;
  const images = dirname(layout.rootfs('lock'));
  execFileSync('cp', ['-a', '--reflink=auto', '--sparse=always', `${dirname(layoutAt().rootfs('lock'))}/.`, images]);
  const { id } = await engine.sandboxes.create({});
  await sh(engine, id, 'echo kept > /dev/shm/kept');
  const [{ sandbox } = { sandbox: null }] = await engine.snapshots.fork(id);
  assert.ok(sandbox !== null);
  await engine.sandboxes.hibernate(sandbox.id);
  const { id: snapshot } = await engine.snapshots.take(id);
  // The machine may have images that no template needs.
  await engine.storage.collect();
  const needed = await goldenAndImages();

  /** Things of all kinds that nobody needs, as many as keep it busy for a while. */
  function litter(): void {
    for (let index = 0; index < 40; index++) {
      const number = String(index).padStart(4, '0');
      for (const folder of [
        layout.golden(`${'0'.repeat(28)}${number}r1`),
        join(images, `${'0'.repeat(60)}${number}`),
        join(layout.instants.workDirectory, `fork${number}`),
        join(layout.sandbox(id), 'memory.new'),
      ]) {
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, 'ram'), 'garbage');
      }
      writeFileSync(join(layout.instants.workDirectory, `fork${number}.lock`), '');
    }
  }
  async function goldenAndImages(): Promise<string[]> {
    const names = [...(await readdir(layout.goldenSnapshots)), ...(await readdir(images))];
    return names.filter((name) => /^[0-9a-f]{32}/.test(name)).toSorted();
  }
  for await (const index of kills(home, 'engine.storage.collect()', 15, litter)) {
    assert.equal(await out(engine, id, 'cat /dev/shm/kept'), 'kept', String(index));
    assert.deepEqual(await engine.snapshots.verify(snapshot), { valid: true, problems: [] });
  }
  const { problems } = await engine.storage.collect();
  assert.deepEqual(problems, []);
  assert.deepEqual(await goldenAndImages(), needed);
  assert.equal((await engine.sandboxes.resume(sandbox.id)).reason, null);
  assert.equal(await out(engine, sandbox.id, 'cat /dev/shm/kept'), 'kept');
  await engine.snapshots.remove(snapshot);
  await using _next = await createEngine({ home: home.home, recover: true });
  assert.deepEqual(readdirSync(layout.instants.workDirectory), []);
  assert.deepEqual(
    readdirSync(layout.workDirectory).filter((name) => name.startsWith('gc')),
    [],
  );
});

test('a kill while it falls asleep or wakes leaves a sandbox that goes on, at worst from its disk', async () => {
  await using under = await engineUnderTest();
  const { engine, home, layout } = under;
  const { id } = await engine.sandboxes.create({});
  await sh(engine, id, 'touch /dev/shm/memory');
  let lines = 0;
  const check = async (): Promise<void> => {
    const info = await engine.sandboxes.resume(id);
    assert.equal(info.state, 'running');
    lines++;
    const seen = await out(engine, id, `echo ${lines} >> /root/line; sync; wc -l < /root/line; ls /dev/shm`);
    // Memory is lost only where it could not be used any more, and then that is said.
    const booted = info.reason !== null && info.metadata.bootKind === 'cold';
    assert.equal(seen, booted ? String(lines) : `${lines}\nmemory`);
    if (booted) await sh(engine, id, 'touch /dev/shm/memory');
    assert.equal(await out(engine, id, 'dmesg | grep -ci "ext4.*error"'), '0');
  };
  for await (const _ of kills(home, `engine.sandboxes.hibernate('${id}')`, 10)) await check();
  for await (const _ of kills(
    home,
    `engine.sandboxes.hibernate('${id}').then(() => engine.sandboxes.resume('${id}'))`,
    10,
  ))
    await check();
  await engine.sandboxes.hibernate(id);
  await check();
  assert.deepEqual(
    ['memory', 'memory.new'].filter((name) => existsSync(join(layout.sandbox(id), name))),
    [],
    'nothing is left of its memory',
  );
});

test('a kill while a hibernated sandbox is taken back leaves it as it slept, or as it was then', async () => {
  await using under = await engineUnderTest();
  const { engine, home, layout } = under;
  const { id } = await engine.sandboxes.create({ memoryMb: 256 });
  const write = (word: string) => sh(engine, id, `echo ${word} | tee /dev/shm/word /root/word; sync`);
  await write('then');
  const snapshot = await engine.snapshots.take(id, { name: 'then' });
  await write('now-1');
  await engine.sandboxes.hibernate(id);
  for await (const index of kills(home, `engine.snapshots.restore('${id}', 'then')`, 8)) {
    const { state, reason } = await engine.sandboxes.resume(id);
    assert.deepEqual([state, reason], ['running', null]);
    const now = `now${index - 1}`;
    const seen = await out(engine, id, 'cat /dev/shm/word /root/word');
    assert.ok(['then\nthen', `${now}\n${now}`].includes(seen), seen);
    const left = ['memory', 'memory.new', 'before.raw'].filter((name) => existsSync(join(layout.sandbox(id), name)));
    assert.deepEqual(left, []);
    await write(`now${index}`);
    await engine.sandboxes.hibernate(id);
  }
  await engine.snapshots.remove(snapshot.id);
});
