import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine } from '@novasandbox/engine';
import { NovaError, type OnTimeout, type SandboxInfo } from '@novasandbox/protocol';
import { pino } from 'pino';
import { createIdle, type IdleParts } from './idle.ts';

const silent = (): Promise<never> => Promise.reject(new NovaError('guest_unreachable', 'The guest has not answered.'));

/** VMs that have been idle for the given times. `list` returns the commands of their guests, `worked` what they do. */
function daemonWith(
  idleMs: Record<string, number>,
  {
    list = () => Promise.resolve([]),
    worked = () => Promise.resolve(false),
    onTimeout = {},
  }: {
    readonly list?: (id: string) => Promise<unknown[]>;
    readonly worked?: (id: string) => Promise<boolean | undefined>;
    readonly onTimeout?: Readonly<Record<string, OnTimeout>>;
  } = {},
) {
  const done: unknown[][] = [];
  let infos = Object.keys(idleMs).map((id) => ({ id, state: 'running', onTimeout: onTimeout[id] ?? 'stop' }));
  const act =
    (verb: string) =>
    async (...call: unknown[]) =>
      void done.push([verb, ...call]);
  const parts = {
    quietEngine: { exec: { list } } as unknown as Engine,
    engine: { sandboxes: { stop: act('stop'), pause: act('pause'), hibernate: act('hibernate') } },
    guestWork: { hasWorked: ({ id }: SandboxInfo) => worked(id), forget: () => undefined },
    store: { idleTimeouts: () => [] },
    activity: {
      idleMs: (id: string) => idleMs[id] ?? 0,
      busy: (id: string) => ({ [Symbol.dispose]: () => void (idleMs[id] = 0) }),
    },
    roster: { list: () => infos },
    log: pino({ level: 'silent' }),
    defaultMs: 1000,
  } as unknown as IdleParts;
  const idle = createIdle(parts);
  return {
    idleMs,
    /** Sweeps over VMs that have all been idle for as long. */
    sweep: async (all: Readonly<Record<string, number>> = { ...idleMs }): Promise<unknown[][]> => {
      done.length = 0;
      Object.assign(idleMs, all);
      await idle.sweep();
      return done.toSorted(([, one], [, other]) => String(one).localeCompare(String(other)));
    },
    only: (ids: readonly string[]): void => {
      infos = Object.keys(idleMs).flatMap((id) =>
        ids.includes(id) ? { id, state: 'running', onTimeout: 'stop' } : [],
      );
    },
  };
}

test('a VM is stopped at its idle limit; one whose guest does not answer at twice that', async () => {
  const { sweep, idleMs } = daemonWith(
    { early: 0, idle: 0, works: 0, computes: 0, unknown: 0, silent: 0, mute: 0 },
    {
      list: async (id) => {
        if (id === 'silent' || id === 'mute') return silent();
        return [{ running: id === 'works' }];
      },
      worked: async (id) => {
        if (id === 'silent' || id === 'mute') return silent();
        return id === 'unknown' ? undefined : id === 'computes';
      },
    },
  );
  await sweep();
  const late = { early: 900, idle: 1100, works: 1100, computes: 1100, unknown: 1100, silent: 1900, mute: 2100 };
  assert.deepEqual(await sweep(late), [
    ['stop', 'idle', { force: false }],
    ['stop', 'mute', { force: true }],
  ]);
  assert.deepEqual(idleMs, { ...late, works: 0, computes: 0 }, 'those that do something are idle no more');
});

test('a VM is put away as its config says', async () => {
  const { sweep } = daemonWith(
    { one: 0, three: 0, two: 0 },
    { onTimeout: { one: 'pause', three: 'hibernate-disk', two: 'hibernate' } },
  );
  await sweep();
  assert.deepEqual(await sweep({ one: 1001, three: 1001, two: 1001 }), [
    ['pause', 'one'],
    ['hibernate', 'three', { memory: false }],
    ['hibernate', 'two'],
  ]);
});

test('a VM that goes on has all its time before it, whoever has let it', async () => {
  const { sweep, only } = daemonWith({ box: 5000 });
  assert.deepEqual(await sweep(), [], 'nobody knows for how long it had been idle');
  assert.deepEqual(await sweep({ box: 5000 }), [['stop', 'box', { force: false }]]);
  assert.deepEqual(await sweep({ box: 5000 }), [], 'it was started within the same second');
  only([]);
  await sweep();
  only(['box']);
  assert.deepEqual(await sweep({ box: 5000 }), [], 'it was started later');
  assert.deepEqual(await sweep({ box: 1001 }), [['stop', 'box', { force: false }]]);
});
