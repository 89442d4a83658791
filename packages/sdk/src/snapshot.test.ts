import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Engine, SandboxService, SnapshotService } from '@novasandbox/engine/services';
import { NovaError, parse, sandboxConfigSchema, type SandboxInfo, type SnapshotInfo } from '@novasandbox/protocol';
import { Sandbox, Snapshot } from './sandbox.ts';

/** A fake engine with sandboxes and snapshots that are only names. The real one is tested end to end. */
function fakeEngine() {
  const calls: string[] = [];
  const alive = new Map<string, SandboxInfo>();
  const kept = new Map<string, SnapshotInfo>();
  /** Ids of sandboxes whose config cannot be read. */
  const secretive = new Set<string>();
  const make = (id: string, name: string | null = null): SandboxInfo => {
    const info = { id, name, state: 'running', startedAt: '2026-01-01T00:00:00Z' } as SandboxInfo;
    alive.set(id, info);
    return info;
  };
  const snapshotOf = (ref: string): SnapshotInfo => {
    const found = kept.get(ref);
    if (found === undefined) throw new NovaError('snapshot_not_found', `There is no ${ref}.`);
    return found;
  };
  const keep = (sandboxId: string, name: string | null): SnapshotInfo => {
    const info = { id: `snap${kept.size}`, name, sandboxId } as SnapshotInfo;
    kept.set(info.id, info);
    return info;
  };
  const full = new NovaError('host_resource_exhausted', 'There is no memory left.');
  const sandboxes: Partial<SandboxService> = {
    create: async () => make('parent'),
    get: async (ref) => {
      const info = alive.get(ref);
      if (info === undefined) throw new NovaError('sandbox_not_found', `There is no ${ref}.`);
      return info;
    },
    config: async (ref) => {
      if (secretive.has(ref)) throw new NovaError('internal', 'no config');
      return parse(sandboxConfigSchema, {}, 'config');
    },
    remove: async (ref) => {
      calls.push(`remove ${ref}`);
      if (!alive.delete(ref)) throw new NovaError('sandbox_not_found', `There is no ${ref}.`);
    },
    exited: (_ref, context) =>
      new Promise((_, reject) => context?.signal?.addEventListener('abort', () => reject(new Error('aborted')))),
  };
  const snapshots: Partial<SnapshotService> = {
    take: async (sandbox, how) => keep(sandbox, how?.name ?? null),
    get: async (ref) => snapshotOf(ref),
    list: async ({ sandbox } = {}) =>
      [...kept.values()].filter(({ sandboxId }) => sandboxId === (sandbox ?? sandboxId)),
    remove: async (ref) => void kept.delete(snapshotOf(ref).id),
    verify: async (ref) => ({ valid: false, problems: [`${snapshotOf(ref).id} is damaged`] }),
    create: async (ref, config) => {
      calls.push(`create ${ref} ${JSON.stringify(config)}`);
      return make('continued', config?.name);
    },
    restore: async (sandbox, ref) => {
      calls.push(`restore ${sandbox} ${ref}`);
      return { ...make(sandbox), startedAt: '2026-01-02T00:00:00Z' };
    },
    // The third child cannot be made.
    fork: async (_sandbox, { count = 1, name = 'child' } = {}) =>
      Array.from({ length: count }, (_, index) =>
        index === 2 ? { sandbox: null, error: full } : { sandbox: make(`${name}${index}`), error: null },
      ),
    save: async (ref) => {
      const bytes = [Buffer.from(`saved `), Buffer.from(ref)];
      return Object.assign(
        (async function* () {
          yield* bytes;
        })(),
        { [Symbol.asyncDispose]: async () => void calls.push('closed') },
      );
    },
    load: async (source, how) => {
      const parts: Uint8Array[] = [];
      for await (const part of source) parts.push(part);
      return keep(Buffer.concat(parts).toString(), how?.name ?? null);
    },
  };
  return { engine: { sandboxes, snapshots } as unknown as Engine, calls, alive, kept, secretive };
}

test('a snapshot is taken, found, listed, checked and removed', async () => {
  const { engine, kept } = fakeEngine();
  await using sandbox = await Sandbox.create({ engine });
  const taken = await sandbox.snapshot({ name: 'first' });
  assert.deepEqual([taken.id, taken.name, taken.info.sandboxId], ['snap0', 'first', 'parent']);
  assert.deepEqual(
    (await sandbox.snapshots()).map(({ id }) => id),
    ['snap0'],
  );
  assert.equal((await Snapshot.get('snap0', { engine })).name, 'first');
  assert.equal((await Snapshot.list({ engine, sandbox: 'other' })).length, 0);
  assert.deepEqual((await taken.verify()).problems, ['snap0 is damaged']);
  assert.equal(await taken.remove(), true);
  assert.equal(await taken.remove(), false);
  assert.equal(kept.size, 0);
  await assert.rejects(Snapshot.get('snap0', { engine }), { code: 'snapshot_not_found' });
});

test('a sandbox of a snapshot is owned by its handle', async () => {
  const { engine, calls, alive } = fakeEngine();
  await using sandbox = await Sandbox.create({ engine });
  const snapshot = await sandbox.snapshot();
  {
    await using again = await snapshot.createSandbox({ name: 'again' });
    assert.equal(again.name, 'again');
    assert.deepEqual([...alive.keys()], ['parent', 'continued']);
  }
  assert.deepEqual(calls, ['create snap0 {"name":"again"}', 'remove continued']);
});

test('the handle of a sandbox that went back to a snapshot goes on', async () => {
  const { engine, calls } = fakeEngine();
  await using sandbox = await Sandbox.create({ engine });
  await sandbox.restore(await sandbox.snapshot());
  await sandbox.restore('first');
  assert.deepEqual(calls, ['restore parent snap0', 'restore parent first']);
  assert.equal(sandbox.isRunning(), true);
});

test('fork gives one child, or a list, and their handles own them', async () => {
  const { engine, alive } = fakeEngine();
  await using sandbox = await Sandbox.create({ engine });
  {
    await using child = await sandbox.fork({ name: 'one' });
    assert.equal(child.id, 'one0');
    const [only] = await sandbox.fork({ count: 1, name: 'list' });
    assert.equal(only?.id, 'list0');
    await only.kill();
    assert.deepEqual([...alive.keys()], ['parent', 'one0']);
  }
  assert.deepEqual([...alive.keys()], ['parent']);
});

test('a fork is whole or not at all; forkSettled keeps what could be made', async () => {
  const { engine, alive } = fakeEngine();
  await using sandbox = await Sandbox.create({ engine });
  await assert.rejects(sandbox.fork({ count: 4 }), {
    code: 'host_resource_exhausted',
    message: '1 of 4 children could not be made: There is no memory left.',
  });
  assert.deepEqual([...alive.keys()], ['parent']);
  const forks = await sandbox.forkSettled({ count: 4 });
  assert.deepEqual(
    forks.map((fork) => fork.sandbox?.id ?? fork.error?.code),
    ['child0', 'child1', 'host_resource_exhausted', 'child3'],
  );
  for (const { sandbox: child } of forks) await child?.kill();
  assert.deepEqual([...alive.keys()], ['parent']);
});

test('a sandbox for which no handle can be made does not stay', async () => {
  const { engine, alive, secretive } = fakeEngine();
  await using sandbox = await Sandbox.create({ engine });
  secretive.add('child0').add('continued');
  await assert.rejects(sandbox.fork(), /1 of 1 children could not be made: no config/);
  await assert.rejects(Sandbox.fromSnapshot('snap0', { engine }), /no config/);
  assert.deepEqual([...alive.keys()], ['parent']);
});

test('a race leaves the sandbox and the winner', async () => {
  const { engine, alive } = fakeEngine();
  await using sandbox = await Sandbox.create({ engine });
  {
    await using best = await sandbox.race({ count: 4, run: (child) => child.id, score: (_id, _child, index) => index });
    assert.equal(best.result, 'child3');
    assert.deepEqual([...alive.keys()], ['parent', 'child3']);
    assert.match(String(best.branches[2]?.error), /no memory left/);
    await best.sandbox.disconnect();
  }
  assert.deepEqual([...alive.keys()], ['parent', 'child3']);
});

test('a snapshot is saved to a file and loaded from one', async () => {
  const { engine, calls } = fakeEngine();
  const folder = await mkdtemp(join(tmpdir(), 'nova-snapshot-'));
  try {
    await using sandbox = await Sandbox.create({ engine });
    const file = join(folder, 'file');
    await (await sandbox.snapshot()).save(file);
    assert.equal(await readFile(file, 'utf8'), 'saved snap0');
    assert.deepEqual(calls, ['closed']);
    await writeFile(file, 'content');
    const loaded = await Snapshot.load(file, { engine, name: 'loaded' });
    assert.deepEqual([loaded.info.sandboxId, loaded.name], ['content', 'loaded']);
    assert.equal((await Snapshot.load([Buffer.from('bytes')], { engine })).info.sandboxId, 'bytes');
    await assert.rejects(Snapshot.load(join(folder, 'none'), { engine }), { code: 'file_not_found' });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a closed handle says so', async () => {
  const { engine } = fakeEngine();
  const sandbox = await Sandbox.create({ engine });
  await sandbox.kill();
  for (const call of [() => sandbox.fork(), () => sandbox.snapshot(), () => sandbox.restore('snap0')])
    await assert.rejects(async () => call(), { code: 'invalid_state' });
});
