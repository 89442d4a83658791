import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine } from '@novasandbox/engine';
import { NovaError } from '@novasandbox/protocol';
import { pino } from 'pino';
import { createIdle, type IdleParts } from './idle.ts';

/** Sweeps over VMs that have been idle for so long; what their guests say of commands is the test's. */
async function sweepOver(idleMs: Readonly<Record<string, number>>, list: (id: string) => Promise<unknown[]>) {
  const stopped: [string, object][] = [];
  const busy: string[] = [];
  const parts = {
    quietEngine: { exec: { list } } as unknown as Engine,
    engine: { sandboxes: { stop: async (id: string, how: object) => void stopped.push([id, how]) } },
    store: { idleTimeouts: () => [] },
    activity: {
      idleMs: (id: string) => idleMs[id] ?? 0,
      busy: (id: string) => ({ [Symbol.dispose]: () => void busy.push(id) }),
    },
    roster: { list: () => Object.keys(idleMs).map((id) => ({ id, state: 'running' })) },
    log: pino({ level: 'silent' }),
    defaultMs: 1000,
  } as unknown as IdleParts;
  await createIdle(parts).sweep();
  return { stopped, busy };
}

test('a VM is stopped at its idle limit; one whose guest does not answer at twice that', async () => {
  const { stopped, busy } = await sweepOver({ early: 900, idle: 1100, works: 1100, silent: 1900, mute: 2100 }, (id) => {
    if (id === 'works') return Promise.resolve([{ running: true }]);
    if (id === 'idle') return Promise.resolve([{ running: false }]);
    return Promise.reject(new NovaError('guest_unreachable', 'The guest has not answered.'));
  });
  assert.deepEqual(
    stopped.toSorted(([one], [other]) => one.localeCompare(other)),
    [
      ['idle', { force: false }],
      ['mute', { force: true }],
    ],
  );
  assert.deepEqual(busy, ['works']);
});
