import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CreateContext } from '@novasandbox/engine';
import {
  NovaError,
  type ContinuedConfigInput,
  type SandboxInfo,
  type SnapshotInfo,
  type TakeSnapshotInput,
} from '@novasandbox/protocol';
import { callerOf } from '../authority/callers.ts';
import type { CallerContext } from '../context.ts';
import { createSandbox } from './create.ts';
import { snapshotNameLabel } from './labels.ts';
import { deleteSnapshot, listSnapshots, snapshotBody, takeSnapshot } from './snapshots.ts';
import { createSchema, listSnapshotsSchema } from './wire.ts';

const ann = callerOf('power_user', { owner: 'user:ann', team: 'crew' });
const { signal } = new AbortController();

/** An engine of snapshots alone, in which each second one is taken later. */
function engineOf(...kept: SnapshotInfo[]) {
  const made: string[] = [];
  const configs: ContinuedConfigInput[] = [];
  const engine = {
    sandboxes: {
      get: async (id: string) => ({ id, state: 'running' }) as SandboxInfo,
      create: async ({ templateId }: { templateId: string }) => {
        if (templateId !== 'base') throw new NovaError('unknown_template', templateId);
        return { id: 'new' } as SandboxInfo;
      },
    },
    templates: { list: async () => [{ id: 'base' }] },
    snapshots: {
      list: async () => kept,
      remove: async (ref: string) =>
        void kept.splice(
          kept.findIndex(({ id }) => id === ref),
          1,
        ),
      async take(sandboxId: string, how: TakeSnapshotInput = {}, { reservedLabels = {} }: CreateContext = {}) {
        if (how.name !== undefined && kept.some(({ name }) => name === how.name))
          throw new NovaError('conflict', 'it has one of that name');
        const info = snap(kept.length + 1, 'user:ann', { sandboxId, name: how.name ?? null, labels: reservedLabels });
        kept.push(info);
        return info;
      },
      create: async (ref: string, config: ContinuedConfigInput) => {
        made.push(ref);
        configs.push(config);
        return { id: 'new' } as SandboxInfo;
      },
    },
  };
  return { context: { engine } as unknown as CallerContext, kept, made, configs };
}

const idOf = (second: number): string => `snap${String(second).padStart(16, '0')}`;
const snap = (second: number, owner: string, more: Partial<SnapshotInfo> = {}): SnapshotInfo =>
  ({
    id: idOf(second),
    owner,
    name: null,
    labels: {},
    enableNetwork: false,
    createdAt: new Date(second * 1000).toISOString(),
    ...more,
  }) as SnapshotInfo;

const create = (context: CallerContext, templateID: string, more: object = {}) =>
  createSandbox(context, ann, createSchema.parse({ templateID, ...more }), { signal, id: undefined });

test('a name means the newest snapshot that has it, an id one; deleting a name deletes all that have it', async () => {
  const { context, kept, made } = engineOf();
  const take = async (name?: string) => snapshotBody(await takeSnapshot(context, 'box', { name }, signal));
  assert.deepEqual(await take(), { snapshotID: idOf(1), names: [] });
  assert.deepEqual(await take('mine'), { snapshotID: 'mine:default', names: ['mine:default'] });
  assert.deepEqual(await take('mine:latest'), { snapshotID: 'mine:default', names: ['mine:default'] });
  assert.deepEqual(await take('mine:v2'), { snapshotID: 'mine:v2', names: ['mine:v2'] });
  assert.deepEqual(
    kept.map(({ name }) => name),
    [null, 'mine', null, null],
  );
  for (const name of ['a/b', 'a:b:c', '..', 'a:']) await assert.rejects(take(name), { code: 'invalid_argument' }, name);

  for (const ref of ['mine', 'mine:default', 'mine:latest', 'mine:v2', idOf(1), `${idOf(1)}:default`])
    await create(context, ref);
  assert.deepEqual(made, [idOf(3), idOf(3), idOf(3), idOf(4), idOf(1), idOf(1)]);
  assert.equal((await create(context, 'base')).id, 'new');
  assert.equal(made.length, 6);
  for (const ref of ['not-there', idOf(9), 'a/b', 'mine:v9'])
    await assert.rejects(create(context, ref), { code: 'unknown_template' }, ref);

  await deleteSnapshot(context, ann, 'mine');
  assert.deepEqual(
    kept.map(({ id }) => id),
    [idOf(1), idOf(4)],
  );
  await assert.rejects(deleteSnapshot(context, ann, 'mine'), { code: 'snapshot_not_found' });
  await assert.rejects(deleteSnapshot(context, ann, 'base'), { code: 'not_implemented' });
});

test("one's own come first where somebody else of the team has the name too", async () => {
  const labels = { [snapshotNameLabel]: 'mine:default' };
  const { context, made } = engineOf(snap(1, 'user:ann', { labels }), snap(2, 'user:bob', { labels }));
  await create(context, 'mine');
  await deleteSnapshot(context, ann, 'mine');
  await create(context, 'mine');
  assert.deepEqual(made, [idOf(1), idOf(2)]);
});

test('a sandbox of a snapshot has the volumes that it asks for, or those of the snapshot', async () => {
  const { context, configs } = engineOf(snap(1, 'user:ann'));
  const volumeMounts = [{ name: 'data', path: '/data' }];
  await create(context, idOf(1), { volumeMounts });
  await create(context, idOf(1));
  assert.deepEqual(
    configs.map(({ volumes }) => volumes),
    [volumeMounts, undefined],
  );
});

test('pages hold each name once, newest first, and can be filtered by it', async () => {
  const named = (name: string) => ({ labels: { [snapshotNameLabel]: name } });
  const { context } = engineOf(
    snap(1, 'user:ann', named('a:default')),
    snap(2, 'user:ann', named('a:v2')),
    snap(3, 'user:ann', named('a:default')),
    snap(4, 'user:ann', { name: 'own' }),
    snap(5, 'user:ann'),
  );
  const read = async (query: object): Promise<string[]> => {
    const seen: string[] = [];
    let nextToken: string | undefined;
    do {
      const page = await listSnapshots(context, listSnapshotsSchema.parse({ ...query, nextToken }));
      seen.push(...page.items.map((info) => snapshotBody(info).snapshotID));
      nextToken = page.nextToken ?? undefined;
    } while (nextToken !== undefined);
    return seen;
  };
  assert.deepEqual(await read({ limit: '1' }), [idOf(5), 'own:default', 'a:default', 'a:v2']);
  assert.deepEqual(await read({ name: 'a' }), ['a:default', 'a:v2']);
  assert.deepEqual(await read({ name: 'a:v2' }), ['a:v2']);
  assert.deepEqual(await read({ name: idOf(5) }), [idOf(5)]);
});
