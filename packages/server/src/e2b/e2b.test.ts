import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  givenLabels,
  NovaError,
  sandboxConfigSchema,
  type SandboxConfigInput,
  type SandboxInfo,
} from '@novasandbox/protocol';
import type { CreateContext } from '@novasandbox/engine';
import type { Permission } from '@novasandbox/protocol/api';
import { callerOf, system } from '../authority/callers.ts';
import type { CallerContext } from '../context.ts';
import { defaultTraits, labelsOf, traitsOf } from './labels.ts';
import { listSandboxes } from './list.ts';
import { createSchema, listSchema } from './wire.ts';
import { createSandbox } from './create.ts';
import { metricsBody } from './usage.ts';

test('what clients choose is kept beside their metadata, and cannot be written by it', () => {
  const open = { secure: false, publicTraffic: true, autoResume: true };
  const traits = { ...open, maskRequestHost: 'localhost:${PORT}', httpsPorts: [443, 8443] };
  const labels = { a: 'b', ...labelsOf(traits) };
  assert.deepEqual(traitsOf(labels), traits);
  assert.deepEqual(givenLabels(labels), { a: 'b' });
  assert.deepEqual(traitsOf({}), defaultTraits);
  assert.deepEqual(labelsOf(defaultTraits), {});
  for (const name of Object.keys(labelsOf(traits)))
    assert.equal(sandboxConfigSchema.safeParse({ labels: { [name]: 'false' } }).success, false, name);
});

test('pages hold each sandbox once, also when others come between', async () => {
  const made = (id: string, second: number, labels = {}): SandboxInfo =>
    ({
      id,
      createdAt: new Date(second * 1000).toISOString(),
      startedAt: null,
      state: 'running',
      templateId: 'base',
      labels,
    }) as unknown as SandboxInfo;
  const all = Array.from({ length: 7 }, (_, index) =>
    made(`box${index}`, Math.floor(index / 2), { n: `${index % 2}` }),
  );
  const context = { engine: { sandboxes: { list: async () => all } } } as unknown as CallerContext;
  const read = async (query: object): Promise<string[]> => {
    const seen: string[] = [];
    let nextToken: string | undefined;
    do {
      const page = await listSandboxes(context, listSchema.parse({ ...query, nextToken }), ['running']);
      seen.push(...page.items.map(({ id }) => id));
      nextToken = page.nextToken ?? undefined;
      if (seen.length === 2) all.push(made('later', 99));
    } while (nextToken !== undefined);
    return seen;
  };
  assert.deepEqual(await read({ limit: '2' }), ['box6', 'box5', 'box4', 'box3', 'box2', 'box1', 'box0']);
  assert.deepEqual(await read({ limit: '3', order: 'asc', metadata: 'n=0' }), ['box0', 'box2', 'box4', 'box6']);
  assert.deepEqual(await read({ metadata: 'n%3D1=x' }), []);
  await assert.rejects(read({ state: 'asleep' }), { code: 'invalid_argument' });
  await assert.rejects(listSandboxes(context, listSchema.parse({ nextToken: 'AAAA' }), []), {
    code: 'invalid_argument',
  });
});

test('what is asked for and not there is refused, never left out silently', async () => {
  const context = {
    engine: { sandboxes: { create: async () => assert.fail('it was made') } },
  } as unknown as CallerContext;
  for (const asked of [{ mcp: { x: {} } }, { network: { egressProxy: { address: 'a:1' } } }]) {
    const body = createSchema.parse({ templateID: 'base', ...asked });
    await assert.rejects(
      createSandbox(context, system, body, { signal: new AbortController().signal, id: undefined }),
      {
        code: 'not_implemented',
      },
    );
  }
});

test('a sandbox that is to be paused is hibernated, or stays in memory where the host can do no other', async () => {
  const asked: SandboxConfigInput[] = [];
  const context = (able: boolean): CallerContext =>
    ({
      engine: {
        sandboxes: {
          create: async (config: SandboxConfigInput) => {
            asked.push(config);
            if (!able && config.onTimeout === 'hibernate') throw new NovaError('feature_unsupported', 'it cannot');
          },
        },
      },
    }) as unknown as CallerContext;
  const create = (able: boolean, body: object) =>
    createSandbox(context(able), system, createSchema.parse({ templateID: 'base', ...body }), {
      signal: new AbortController().signal,
      id: undefined,
    });
  await create(true, {});
  await create(true, { autoPause: true, autoResume: { enabled: true }, timeout: 5 });
  await create(true, { autoPause: true, autoPauseMemory: false });
  await create(false, { autoPause: true });
  await create(false, { autoPause: true, autoPauseMemory: false });
  assert.deepEqual(
    asked.map(({ onTimeout, autoResume, timeoutMs }) => [onTimeout, autoResume, timeoutMs]),
    [
      ['stop', false, 300_000],
      ['hibernate', true, 5000],
      ['hibernate-disk', false, 300_000],
      ['hibernate', false, 300_000],
      ['pause', false, 300_000],
      ['hibernate-disk', false, 300_000],
    ],
  );
  const contradiction = create(true, { autoPause: true, autoPauseMemory: false, autoResume: { enabled: true } });
  await assert.rejects(contradiction, { code: 'invalid_argument' });
});

test('a sandbox is opened only by whoever may do what it opens to all', async () => {
  const made: CreateContext[] = [];
  const create = async (_config: unknown, call: CreateContext) => void made.push(call);
  const context = { engine: { sandboxes: { create } } } as unknown as CallerContext;
  const ownership = { owner: 'key:a', team: 'key:a' };
  const as = (scopes: Permission[], asked: object) =>
    createSandbox(context, callerOf('user', ownership, scopes), createSchema.parse({ templateID: 'base', ...asked }), {
      signal: new AbortController().signal,
      id: undefined,
    });
  const traits = () => traitsOf(made.at(-1)?.reservedLabels ?? {});
  for (const [scopes, asked, permission] of [
    [['vm:create'], { secure: false }, 'guest:execute'],
    [['vm:create', 'guest:execute', 'guest:connect'], { secure: false }, 'guest:file_transfer'],
    [['vm:create'], { network: { allowPublicTraffic: true } }, 'guest:connect'],
    [['vm:create'], { autoResume: { enabled: true } }, 'vm:start'],
  ] as const) {
    await assert.rejects(as([...scopes], asked), { code: 'forbidden', details: { permission } });
  }
  assert.equal(made.length, 0);
  await as(['vm:create'], {});
  assert.deepEqual(traits(), defaultTraits);
  await as([], { secure: false, autoResume: { enabled: true } });
  assert.deepEqual(traits(), { ...defaultTraits, secure: false, publicTraffic: true, autoResume: true });
});

test('measurements are told by time; one that is named by its own time, rounded either way, is among them', async () => {
  const at = (ms: number, cpuPercent: number | null) => ({
    metrics: { timestamp: new Date(ms).toISOString(), cpu_count: 1, memory_usage_mb: 1 },
    cpuPercent,
  });
  const kept = [at(5_000, null), at(20_700, 10), at(35_200, 250), at(50_900, 30)];
  const measurements = { history: () => kept } as unknown as Parameters<typeof metricsBody>[1];
  const info = { id: 'a', state: 'paused' } as unknown as SandboxInfo;
  const seconds = async (start?: number, end?: number): Promise<number[]> =>
    (await metricsBody({} as CallerContext, measurements, info, { start, end })).map((each) => each.timestampUnix);
  // The first measurement has no CPU use and is left out.
  assert.deepEqual(await seconds(), [20, 35, 50]);
  assert.deepEqual(await seconds(21, 35), [20, 35]);
  assert.deepEqual(await seconds(20, 50), [20, 35, 50]);
  assert.deepEqual(await seconds(36, 49), []);
  const [, busy] = await metricsBody({} as CallerContext, measurements, info, {});
  assert.equal(busy?.cpuUsedPct, 100);
});
