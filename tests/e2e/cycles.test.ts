import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { Engine, Layout } from '@novasandbox/engine';
import { engineUnderTest, sh } from '../support/engine.ts';
import { eventually } from '../support/eventually.ts';
import { findLeaks } from '../support/leaks.ts';

/** How often a sandbox is made, forked, hibernated, woken and killed; NOVA_CYCLES sets another number. */
const cycles = Number(process.env['NOVA_CYCLES'] ?? 3);

async function cycle(engine: Engine, number: number): Promise<void> {
  const seen = async (id: string): Promise<string> => (await sh(engine, id, 'cat /dev/shm/cycle')).stdout;
  const { id } = await engine.sandboxes.create({ memoryMb: 256 });
  await sh(engine, id, `echo ${number} > /dev/shm/cycle`);
  const children = (await engine.snapshots.fork(id, { count: 2 })).map(({ sandbox, error }) => {
    if (sandbox === null) throw error;
    return sandbox.id;
  });
  const [first = '', second = ''] = children;
  await engine.sandboxes.hibernate(first);
  await engine.sandboxes.hibernate(second);
  const { reason } = await engine.sandboxes.resume(first);
  assert.equal(reason, null);
  assert.equal(await seen(first), `${number}\n`);
  assert.equal(await seen(id), `${number}\n`);
  // One of each kind is removed: one that runs, one that was woken, one that sleeps.
  await Promise.all([id, first, second].map((each) => engine.sandboxes.remove(each, { force: true })));
}

/** The rows of each table of the store, and the files, sockets and processes that this process has open. */
function held({ storeFile }: Layout): Record<string, number> {
  using store = new DatabaseSync(storeFile, { readOnly: true });
  const tables = store.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all() as { name: string }[];
  const rows = tables.map(({ name }) => {
    const counted = store.prepare(`SELECT count(*) AS rows FROM "${name}"`).get() as { rows: number };
    return [`rows of ${name}`, counted.rows] as const;
  });
  return {
    ...Object.fromEntries(rows),
    files: readdirSync('/proc/self/fd').length,
    resources: process.getActiveResourcesInfo().filter((name) => name !== 'Immediate' && name !== 'Timeout').length,
  };
}

test('making, forking, hibernating and killing sandboxes over and over leaves nothing', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await cycle(engine, 0);
  await eventually('the first is gone', async () => (await findLeaks(layout)).length === 0);
  const before = held(layout);
  for (let number = 1; number < cycles; number++) await cycle(engine, number);
  await eventually('all are gone', async () => (await findLeaks(layout)).length === 0);
  await eventually('it holds no more than after the first', () =>
    Object.entries(held(layout)).every(([name, count]) => count <= (before[name] ?? 0)),
  ).catch(() => assert.deepEqual(held(layout), before));
  for (const folder of [layout.sandboxes, layout.snapshots, layout.instants.workDirectory])
    assert.deepEqual(await readdir(folder), []);
});
