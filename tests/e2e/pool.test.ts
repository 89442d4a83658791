import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { createEngine, isAlive, newSandboxId, processesNaming } from '@novasandbox/engine';
import { isThere } from '../support/is-there.ts';
import { eventually } from '../support/eventually.ts';
import { sandbox, sh } from '../support/engine.ts';
import { assertNoLeaks, findLeaks } from '../support/leaks.ts';
import { poolUnderTest, readyClones } from '../support/pool.ts';
import { testHome } from '../support/test-home.ts';

test('a clone from the pool becomes the sandbox that was asked for', async () => {
  await using under = await poolUnderTest();
  const { engine, ready, events } = under;
  const [clone] = await ready();
  assert.deepEqual(await engine.sandboxes.list({ all: true }), [], 'a clone that waits is nobody’s sandbox');
  await assert.rejects(engine.sandboxes.get(clone?.id ?? ''), { code: 'sandbox_not_found' });
  await assert.rejects(engine.sandboxes.get(clone?.id.slice(0, 6) ?? ''), { code: 'sandbox_not_found' });

  const wanted = { name: 'pooled', env: { GREETING: 'hello' }, user: 'root', maxProcesses: 64, timeoutMs: 600_000 };
  const before = Date.now();
  const box = await engine.sandboxes.create({ ...wanted, labels: { team: 'a' } });
  assert.equal(box.id, clone?.id);
  assert.deepEqual([box.name, box.state, box.labels['team']], ['pooled', 'running', 'a']);
  assert.ok(Date.parse(box.createdAt) >= before, 'it is made when it is asked for');
  const livesMs = Date.parse(box.expiresAt ?? '') - before;
  assert.ok(livesMs >= 600_000 && livesMs < 660_000, `its time begins when it is asked for, not ${livesMs}`);
  assert.equal((await engine.sandboxes.get('pooled')).id, box.id);

  const asked = await sh(
    engine,
    box.id,
    'hostname; echo $GREETING $NOVA_SANDBOX_ID; id -un; date +%s%3N; cat /proc/sys/kernel/random/boot_id /etc/machine-id',
  );
  const [host, greeting, user, clock, bootId, machineId] = asked.stdout.trim().split('\n');
  assert.deepEqual([host, greeting, user], ['pooled', `hello ${box.id}`, 'root']);
  assert.ok(Math.abs(Number(clock) - Date.now()) < 2000, `the clock is off: ${clock}`);
  const own = (await engine.exec.list(box.id)).map(({ argv }) => argv.at(-1));
  assert.deepEqual(own, [asked.stdout === '' ? '' : own[0]], 'it lists the commands of its user alone');
  // A fork bomb meets the limit of this sandbox, not of the clone.
  const bomb = await sh(engine, box.id, 'for i in $(seq 120); do sleep 60 & done 2>&1 | tail -1; kill $(jobs -p)');
  assert.match(bomb.stdout + bomb.stderr, /ork|esource/);

  const [second] = await ready();
  assert.notEqual(second?.id, box.id);
  const other = await engine.sandboxes.create({});
  const ids = (await sh(engine, other.id, 'cat /proc/sys/kernel/random/boot_id /etc/machine-id')).stdout.split('\n');
  assert.ok(!ids.includes(bootId ?? '') && !ids.includes(machineId ?? ''), 'no two share an id');
  assert.deepEqual(
    events.map(({ type }) => type).filter((type) => type !== 'made'),
    ['hit', 'hit'],
  );
  const status = await engine.pool.status();
  assert.deepEqual([status.keeps, status.size, status.hits, status.misses['empty']], [true, 1, 2, 0]);
});

test('what cannot change once a clone runs is a miss, and is made as ever', async () => {
  await using under = await poolUnderTest();
  const { engine, ready } = under;
  const [clone] = await ready();
  const id = newSandboxId();
  const others = [
    await engine.sandboxes.create({}, { id }),
    await engine.sandboxes.create({ kernelArgs: 'nova.test=1' }),
    await engine.sandboxes.create({ memoryMb: 300 }),
  ];
  assert.equal(others[0]?.id, id);
  assert.ok(!others.some((box) => box.id === clone?.id));
  const { misses, hits } = await engine.pool.status();
  assert.deepEqual([misses['id_given'], misses['cold_boot'], misses['empty'], hits], [1, 1, 1, 0]);
  assert.equal((await engine.sandboxes.create({})).id, clone?.id);
});

test('no two creates get the same clone', async () => {
  await using under = await poolUnderTest({ size: 2 });
  const { engine, ready } = under;
  await ready(2);
  const boxes = await Promise.all(Array.from({ length: 6 }, () => engine.sandboxes.create({ enableNetwork: true })));
  assert.equal(new Set(boxes.map(({ id }) => id)).size, 6);
  const answers = await Promise.all(boxes.map(async ({ id }) => (await sh(engine, id, 'hostname')).stdout.trim()));
  assert.deepEqual(
    answers,
    boxes.map(({ id }) => id),
  );
  const { hits, misses } = await engine.pool.status();
  assert.ok(hits >= 2 && hits + (misses['empty'] ?? 0) === 6, `${hits} hits, ${misses['empty']} misses`);
});

test('a name that is taken costs no clone', async () => {
  await using under = await poolUnderTest();
  const { engine, ready } = under;
  await ready();
  await engine.sandboxes.create({ name: 'one' });
  const [clone] = await ready();
  await assert.rejects(engine.sandboxes.create({ name: 'one' }), { code: 'sandbox_exists' });
  assert.equal((await engine.sandboxes.create({ name: 'two' })).id, clone?.id);
});

test('a clone whose VMM has ended or does not answer is discarded, and the create goes on with another', async () => {
  await using under = await poolUnderTest();
  const { engine, home, ready, events } = under;
  const vmmOf = async (): Promise<{ id: string; pid: number }> => {
    const [clone] = await ready();
    const [vmm] = processesNaming(home.layout.sockets(clone?.id ?? ''));
    return { id: clone?.id ?? '', pid: vmm?.pid ?? 0 };
  };
  const ended = await vmmOf();
  process.kill(ended.pid, 'SIGKILL');
  await eventually('the VMM has ended', () => !isThere(ended.pid));
  const first = await engine.sandboxes.create({});
  assert.notEqual(first.id, ended.id);
  assert.equal((await sh(engine, first.id, 'echo works')).stdout, 'works\n');

  const frozen = await vmmOf();
  process.kill(frozen.pid, 'SIGSTOP');
  const second = await engine.sandboxes.create({});
  assert.notEqual(second.id, frozen.id);
  assert.equal((await sh(engine, second.id, 'echo works')).stdout, 'works\n');
  assert.deepEqual(
    events.filter(({ type }) => type === 'discarded').map(({ reason }) => reason),
    ['vmm_ended', 'no_answer'],
  );
  for (const { id } of [ended, frozen]) assert.deepEqual(processesNaming(home.layout.sockets(id)), []);
});

test('a create that is given up leaves nothing, and its clone does not go back', async () => {
  await using under = await poolUnderTest();
  const { engine, ready } = under;
  const [clone] = await ready();
  const refused = engine.sandboxes.create({}, { ready: () => Promise.reject(new Error('the client has gone')) });
  await assert.rejects(refused, { message: /the client has gone/ });
  assert.deepEqual(await engine.sandboxes.list({ all: true }), []);
  assert.ok(!(await engine.pool.status()).clones.some(({ id }) => id === clone?.id));
});

test('after many creates the pool still fills, and nothing has piled up', { timeout: 600_000 }, async () => {
  await using under = await poolUnderTest();
  const { engine, ready, home } = under;
  const rounds = 30;
  for (let round = 0; round < rounds; round++) {
    await ready();
    const { id } = await engine.sandboxes.create({});
    await engine.exec.ping(id);
    await engine.sandboxes.remove(id, { force: true });
  }
  await ready();
  const { hits, clones } = await engine.pool.status();
  assert.deepEqual([hits, clones.length], [rounds, 1]);
  using store = new DatabaseSync(home.layout.storeFile, { readOnly: true });
  assert.equal(store.prepare('SELECT count(*) AS count FROM leases').get()?.['count'], 1);
  assert.equal(store.prepare('SELECT count(*) AS count FROM sandboxes').get()?.['count'], 1);
});

test('clones of a keeper that was killed are cleared up by whoever starts next', async () => {
  await using home = await testHome();
  const script = `
    const { createEngine } = await import('@novasandbox/engine');
    const engine = await createEngine({ pool: { size: 2 } });
    const look = async () => {
      const { clones } = await engine.pool.status();
      if (clones.filter(({ ready }) => ready).length === 2) console.log('ready');
      else setTimeout(look, 100);
    };
    await look();`;
  {
    await using builder = await createEngine({ home: home.home });
    await builder.templates.build('base');
  }
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', script],
    { env: home.env, cwd: join(import.meta.dirname, '../..'), stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(child.stdout, 'data');
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  assert.ok((await findLeaks(home.layout)).some((leak) => leak.startsWith('process')));
  await using engine = await createEngine({ home: home.home });
  await assertNoLeaks(home.layout);
  const { keeps, clones } = await engine.pool.status();
  assert.deepEqual([keeps, clones], [false, []]);
});

test('another process takes a clone that this one keeps', async () => {
  await using under = await poolUnderTest();
  const { engine, ready, home } = under;
  const [clone] = await ready();
  await using other = await createEngine({ home: home.home });
  const box = await other.sandboxes.create({ name: 'taken' });
  assert.equal(box.id, clone?.id);
  assert.equal((await sh(engine, 'taken', 'hostname')).stdout, 'taken\n');
  const [next] = await ready();
  assert.notEqual(next?.id, box.id);
  assert.equal((await sh(other, 'taken', 'echo still here')).stdout, 'still here\n');
});

test('clones are given up while the host is short of memory, and made again afterwards', async (t) => {
  await using under = await poolUnderTest();
  const { engine, ready, home } = under;
  const [clone] = await ready();
  const [vmm] = processesNaming(home.layout.sockets(clone?.id ?? ''));
  const { readFileSync } = fs;
  /** The kernel's own file, in which the host has five percent of its memory left. */
  const short = ((...args: Parameters<typeof readFileSync>) =>
    args[0] === '/proc/meminfo'
      ? `MemAvailable: ${Math.round((totalmem() / 1024) * 0.05)} kB\n`
      : readFileSync(...args)) as typeof readFileSync;
  const mocked = t.mock.method(fs, 'readFileSync', short);
  syncBuiltinESMExports();
  try {
    await eventually('the clone is gone', async () => (await engine.pool.status()).clones.length === 0);
    assert.ok(vmm !== undefined && !isAlive(vmm));
    const { discards, shapes, made } = await engine.pool.status();
    assert.deepEqual([discards['memory'], shapes[0]?.wanted, made], [1, 1, 1], 'it is still wanted, and not made');
  } finally {
    mocked.mock.restore();
    syncBuiltinESMExports();
  }
  const [next] = await ready();
  assert.notEqual(next?.id, clone?.id);
});

test('a clone that waits yields the processors to sandboxes, and does not once it is one', async (t) => {
  await using under = await poolUnderTest();
  const { engine, ready } = under;
  const [clone] = await ready();
  const before = await shareOf(clone?.id ?? '');
  if (before === null) return t.skip('the host has no cgroups that limit processors');
  const box = await engine.sandboxes.create({});
  assert.equal(box.id, clone?.id);
  const usual = await shareOf(box.id);
  assert.ok(usual !== null && before < usual / 2, `${before} of ${usual}`);
  await using other = await sandbox(engine, { memoryMb: 300 });
  assert.equal(await shareOf(other.id), usual);
});

/** The share of the processors that a VMM's group has; null where groups of this host have none. */
async function shareOf(id: string): Promise<number | null> {
  for (const file of [`cpu/novasandbox/${id}/cpu.shares`, `novasandbox/${id}/cpu.weight`]) {
    const text = await readFile(join('/sys/fs/cgroup', file), 'utf8').catch(() => null);
    if (text !== null) return Number(text);
  }
  return null;
}

test('a drained pool stays empty until a sandbox is made', async () => {
  await using under = await poolUnderTest();
  const { engine, ready, home } = under;
  const [clone] = await ready();
  const [vmm] = processesNaming(home.layout.sockets(clone?.id ?? ''));
  assert.equal(await engine.pool.drain(), 1);
  assert.ok(vmm !== undefined && !isAlive(vmm));
  const { clones, discards, shapes } = await engine.pool.status();
  assert.deepEqual([clones, discards['drained'], shapes[0]?.wanted], [[], 1, 0]);
  await engine.sandboxes.create({});
  await ready();
});

test('a snapshot that cannot be restored is not tried again and again', async () => {
  await using home = await testHome({ own: ['golden'] });
  await using builder = await createEngine({ home: home.home });
  await builder.templates.build('base');
  const [digest = ''] = await readdir(home.layout.goldenSnapshots);
  await spoil(home.layout.golden(digest));
  await using engine = await createEngine({ home: home.home, pool: { size: 1 } });
  await eventually(
    'the pool has failed',
    async () => ((await engine.pool.status()).shapes[0]?.failures ?? 0) > 0,
    60_000,
  );
  const [shape] = (await engine.pool.status()).shapes;
  assert.equal(shape?.failures, 1);
  assert.ok(Date.parse(shape.retryAt ?? '') > Date.now(), JSON.stringify(shape));
  // A create makes the snapshot anew, and the pool goes on with it.
  const { id } = await engine.sandboxes.create({});
  await engine.sandboxes.remove(id, { force: true });
  await readyClones(() => engine.pool.status());
});

/** Replaces the device state by something that is none, and has the manifest vouch for it. */
async function spoil(folder: string): Promise<void> {
  const manifestFile = join(folder, 'snapshot.json');
  const manifest = JSON.parse(await readFile(manifestFile, 'utf8')) as {
    files: Record<string, { sizeBytes: number; changedNs: string; sha256: string | null }>;
  };
  const state = Buffer.from('no device state');
  await writeFile(join(folder, 'state'), state);
  const { size, ctimeNs } = await stat(join(folder, 'state'), { bigint: true });
  manifest.files['state'] = {
    sizeBytes: Number(size),
    changedNs: String(ctimeNs),
    sha256: createHash('sha256').update(state).digest('hex'),
  };
  await writeFile(manifestFile, JSON.stringify(manifest));
}
