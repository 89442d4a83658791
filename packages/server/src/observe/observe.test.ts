import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CreateContext, Engine } from '@novasandbox/engine';
import { everything, isNovaError, NovaError, type SandboxInfo } from '@novasandbox/protocol';
import type { NovaEvent } from '@novasandbox/protocol/api';
import { serverConfigSchema } from '../config/schema.ts';
import { createActivity } from './activity.ts';
import { createEvents } from './events.ts';
import { createLimits } from './limits.ts';
import type { Observation } from './observation.ts';
import { createRoster } from './roster.ts';
import { observedSandboxes } from './sandboxes.ts';

const info = (id: string, state: SandboxInfo['state'], startedAt: string | null = 'then'): SandboxInfo =>
  ({ id, state, startedAt, name: null, templateId: 'base', reason: null, fullDisks: [] as string[] }) as SandboxInfo;

const about = (id: string) => ({ id, owner: null, team: null });

/** A roster over a list that the test changes. */
function rosterOf(list: () => SandboxInfo[] | Promise<SandboxInfo[]>) {
  const told: NovaEvent[] = [];
  const events = createEvents({ onEvent: (event) => void told.push(event) });
  const engine = { sandboxes: { list: async () => list() } } as unknown as Engine;
  const roster = createRoster(engine, events, () => undefined);
  return { roster, engine, types: () => told.splice(0).map(({ type, vm_id }) => `${type} ${vm_id}`) };
}

test('changes are told once, whoever made them; what was there at the start is no news', async () => {
  let list = [info('a', 'running')];
  const { roster, types } = rosterOf(() => list);
  await roster.refresh();
  assert.deepEqual(types(), []);
  roster.saw(info('a', 'paused'));
  list = [info('a', 'paused'), info('b', 'creating', null)];
  await roster.refresh();
  assert.deepEqual(types(), ['vm.paused a', 'vm.creating b']);
  list = [info('a', 'stopped'), info('b', 'running')];
  await roster.refresh();
  await roster.refresh();
  assert.deepEqual(types(), ['vm.stopped a', 'vm.created b', 'vm.started b']);
  list = [];
  await roster.refresh();
  assert.deepEqual(types(), ['vm.removed a', 'vm.stopped b', 'vm.removed b']);
});

test('the end of a sandbox is told once it has stopped or gone, not while it is stopping', async () => {
  let list = [info('a', 'running'), info('b', 'running')];
  const { roster, types } = rosterOf(() => list);
  await roster.refresh();
  list = [info('a', 'stopping'), info('b', 'stopping')];
  await roster.refresh();
  assert.deepEqual(types(), []);
  list = [info('a', 'stopped')];
  await roster.refresh();
  assert.deepEqual(types(), ['vm.stopped a', 'vm.stopped b', 'vm.removed b']);
});

test('a list that was begun before an operation ended does not undo what that told', async () => {
  const slow = Promise.withResolvers<SandboxInfo[]>();
  let list: () => SandboxInfo[] | Promise<SandboxInfo[]> = () => [info('a', 'running')];
  const { roster, types } = rosterOf(() => list());
  await roster.refresh();
  list = () => slow.promise;
  const refreshing = roster.refresh();
  roster.saw(info('a', 'stopped'));
  slow.resolve([info('a', 'running')]);
  await refreshing;
  assert.deepEqual(types(), ['vm.stopped a']);
  assert.equal(roster.list()[0]?.state, 'stopped');
});

test('events are read from one on, by VM; a slow reader loses the oldest and ends with its signal', async () => {
  const events = createEvents();
  const over = new AbortController();
  const all = events.subscribe({ scope: everything, vmId: 'a' }, over.signal)[Symbol.asyncIterator]();
  events.emit('vm.started', about('b'));
  for (let index = 0; index < 1500; index++) events.emit('vm.started', about('a'), { index });
  const first = (await all.next()).value as NovaEvent;
  assert.equal(first.data['index'], 500);
  const later = events.subscribe({ scope: everything, since: first.id }, over.signal)[Symbol.asyncIterator]();
  assert.equal(((await later.next()).value as NovaEvent).data['index'], 501);
  over.abort();
  assert.equal((await all.next()).done ?? false, true);
});

test('idle is measured from the last thing that ended', () => {
  let now = 0;
  const activity = createActivity(() => now);
  assert.equal(activity.idleMs('a'), 0);
  now = 5;
  const first = activity.busy('a');
  const second = activity.busy('a');
  now = 10;
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.equal(activity.idleMs('a'), 0);
  second[Symbol.dispose]();
  now = 17;
  assert.equal(activity.idleMs('a'), 7);
});

test('places are given back, and counted with what runs', async () => {
  const { roster, engine } = rosterOf(() => [info('a', 'running'), info('b', 'stopped')]);
  await roster.refresh();
  const config = serverConfigSchema.parse({ resources: { max_vms: 2 }, networking: { allow_internet: false } });
  const limits = createLimits(engine, config, roster);
  {
    using _place = limits.reserve();
    assert.throws(
      () => limits.reserve(),
      (error) => isNovaError(error, 'vm_limit_reached'),
    );
  }
  limits.reserve()[Symbol.dispose]();
  await assert.rejects(limits.check({}), /network/);
  await limits.check({ enableNetwork: false });
});

test('a create whose client leaves as it ends is undone', async () => {
  const gone = new AbortController();
  const sandboxes = {
    async create(_config: unknown, { ready, signal }: CreateContext) {
      // The end of the client's connection is noticed one turn later.
      setImmediate(() => gone.abort());
      await ready?.();
      if (signal?.aborted === true) throw new NovaError('cancelled', 'as the engine does');
      return info('a', 'running');
    },
  };
  const observed = observedSandboxes({
    engine: { sandboxes },
    events: createEvents(),
    roster: rosterOf(() => []).roster,
    limits: { check: async () => undefined, reserve: () => ({ [Symbol.dispose]: () => undefined }) },
    measured: () => undefined,
  } as unknown as Observation);
  await assert.rejects(observed.create({}, { signal: gone.signal }), (error) => isNovaError(error, 'cancelled'));
  assert.equal((await observed.create({}, { signal: new AbortController().signal })).id, 'a');
});
