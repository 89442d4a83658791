import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  builtInPolicies,
  driverFeatures,
  everything,
  NovaError,
  within,
  type Approval,
  type PolicyInfo,
  type SandboxInfo,
  type Scope,
  type SnapshotInfo,
} from '@novasandbox/protocol';
import { permissionSchema, rolePermissions, roleSchema, type Permission } from '@novasandbox/protocol/api';
import type { Caller, Services } from '../context.ts';
import type { FoundServices } from '../observe/found.ts';
import { callerOf, nobody, system, visitorOf } from './callers.ts';
import { authorised } from './engine.ts';
import { neededFor } from './permissions.ts';
import { rules, type Rule, type Target } from './rules.ts';

const boxes = [
  { id: 'anns', name: 'box', owner: 'ann', team: 'crew' },
  { id: 'bobs', name: 'box', owner: 'bob', team: 'bob' },
  { id: 'hosts', name: null, owner: null, team: null },
] as unknown as SandboxInfo[];

const snaps = [
  { id: 'snap-anns', sandboxId: 'anns', owner: 'ann', team: 'crew', hypervisor: 'qemu' },
  { id: 'snap-bobs', sandboxId: 'bobs', owner: 'bob', team: 'bob', hypervisor: 'qemu' },
] as unknown as SnapshotInfo[];

/** Two of the drivers do not isolate. */
const drivers = new Map([
  ['qemu', driverFeatures({ virtualMachine: true })],
  ['process', driverFeatures({})],
  ['foreign', driverFeatures({})],
]);

const annsNetwork = {
  ...{ id: 'anns', name: 'backend', owner: 'ann', team: 'crew', subnet: '10.1.0.0/24', bridge: 'br0', members: [] },
  ...{ isolation: 'minimal' as const, createdAt: new Date(0).toISOString() },
};
const annsPolicy: PolicyInfo = {
  ...{ id: 'anns', name: 'web', owner: 'ann', team: 'crew', policy: builtInPolicies.none, usedBy: [] },
  ...{ createdAt: new Date(0).toISOString(), changedAt: new Date(0).toISOString() },
};
const annsApproval: Approval = {
  ...{ id: 'anns', sandboxId: 'anns', host: 'a.example', address: null, port: 443, askedAt: new Date(0).toISOString() },
  ...{ answer: null, scope: null, expiresAt: null },
};
const annsVolume = {
  ...{ id: 'anns', name: 'cache', owner: 'ann', team: 'crew', sizeMb: 64, usedMb: 1, usedBy: [] },
  createdAt: new Date(0).toISOString(),
};

/** Makes every call of the engine as the caller; `reached` records the calls that got through. */
function engineFor(caller: Caller) {
  const reached: { call: string; args: readonly unknown[] }[] = [];
  const service = (name: string, calls: object): object =>
    Object.fromEntries(
      Object.keys(calls).map((call) => [
        call,
        async (...args: unknown[]) => {
          reached.push({ call: `${name}.${call}`, args });
          return undefined;
        },
      ]),
    );
  const engine = Object.fromEntries(Object.entries(rules).map(([name, calls]) => [name, service(name, calls)]));
  const directory = {
    known: (id: string) => boxes.find((box) => box.id === id),
    find: async (ref: string, scope: Scope) => {
      const found = boxes.find((box) => (box.id === ref || box.name === ref) && within(scope, box));
      if (found === undefined) throw new NovaError('sandbox_not_found', ref);
      return found;
    },
    findSnapshot: async (ref: string, scope: Scope, of?: string) => {
      const found = snaps.find(({ id }) => id === ref);
      if (found === undefined || !within(scope, found) || (of !== undefined && found.sandboxId !== of))
        throw new NovaError('snapshot_not_found', ref);
      return found;
    },
    findVolume: async (ref: string, scope: Scope) => {
      if (ref !== annsVolume.id || !within(scope, annsVolume)) throw new NovaError('volume_not_found', ref);
      return annsVolume;
    },
    findNetwork: async (ref: string, scope: Scope) => {
      if (ref !== annsNetwork.id || !within(scope, annsNetwork)) throw new NovaError('network_not_found', ref);
      return annsNetwork;
    },
    findPolicy: async (ref: string, scope: Scope) => {
      if (ref !== annsPolicy.id || !within(scope, annsPolicy)) throw new NovaError('not_found', ref);
      return annsPolicy;
    },
    findApproval: async (id: string, scope: Scope) => {
      if (id !== annsApproval.id || !boxes.some((box) => box.id === annsApproval.sandboxId && within(scope, box)))
        throw new NovaError('not_found', id);
      return annsApproval;
    },
  };
  return { engine: authorised(engine as unknown as FoundServices, caller, directory, drivers), reached };
}

type AnyCall = (...args: unknown[]) => Promise<unknown>;
const everyCall: readonly [name: string, call: string, rule: Rule][] = Object.entries(rules).flatMap(([name, calls]) =>
  Object.entries<Rule>(calls).map(([call, rule]): [string, string, Rule] => [name, call, rule]),
);
const callOf = (engine: Services, name: string, call: string): AnyCall =>
  (engine as unknown as Record<string, Record<string, AnyCall>>)[name]?.[call] as AnyCall;

/** For each kind of target that is named: how things of ann are named, and what they are. The others name nothing. */
const anns: Partial<Record<Target, { readonly names: readonly string[]; readonly things: readonly unknown[] }>> = {
  sandbox: { names: ['anns'], things: [boxes[0]] },
  'sandbox and policy': { names: ['anns'], things: [boxes[0]] },
  'new of sandbox': { names: ['anns'], things: [boxes[0]] },
  snapshot: { names: ['snap-anns'], things: [snaps[0]] },
  'snapshot of a sandbox': { names: ['snap-anns'], things: [snaps[0]] },
  'sandbox and snapshot': { names: ['anns', 'snap-anns'], things: [boxes[0], snaps[0]] },
  'new of snapshot': { names: ['snap-anns'], things: [snaps[0]] },
  volume: { names: ['anns'], things: ['anns'] },
  network: { names: ['anns'], things: ['anns'] },
  policy: { names: ['anns'], things: ['anns'] },
  approval: { names: ['anns'], things: ['anns'] },
};
const naming = everyCall.filter(([, , { on }]) => anns[on] !== undefined);

test('no call for a thing of another reaches the engine; by its owner, its team and an admin each does', async () => {
  const ann = { owner: 'ann', team: 'crew' };
  const all = new Set<Permission>(permissionSchema.options);
  const as = (role: 'user' | 'power_user' | 'admin', owner: string, team: string): Caller => ({
    ...callerOf(role, { owner, team }),
    permissions: all,
  });
  for (const [caller, mayReach] of [
    [as('user', ann.owner, ann.team), 'all'],
    [as('power_user', 'lead', 'crew'), 'all'],
    [as('admin', 'root', 'root'), 'all'],
    [system, 'all'],
    [{ ...visitorOf('anns', 'agent'), permissions: all }, 'sandbox'],
    [{ ...visitorOf('bobs', 'agent'), permissions: all }, 'none'],
    [as('user', 'mate', 'crew'), 'none'],
    [as('power_user', 'bob', 'bob'), 'none'],
    [{ ...nobody, permissions: all }, 'none'],
  ] as const) {
    const { engine, reached } = engineFor(caller);
    for (const [name, call, { on }] of naming) {
      const { names = [], things = [] } = anns[on] ?? {};
      const before = reached.length;
      const asked = callOf(engine, name, call)(...names);
      if (mayReach === 'all' || (mayReach === 'sandbox' && !things.includes(snaps[0]))) {
        await asked;
        assert.deepEqual(reached.at(-1)?.args.slice(0, things.length), things, `${name}.${call}`);
      } else {
        const first = things[0] === boxes[0] && mayReach === 'none' ? 'sandbox_not_found' : 'snapshot_not_found';
        const others: Partial<Record<Target, string>> = {
          volume: 'volume_not_found',
          network: 'network_not_found',
          policy: 'not_found',
          approval: 'not_found',
        };
        const code = others[on] ?? first;
        await assert.rejects(asked, { code }, `${name}.${call} on a ${on}`);
        assert.equal(reached.length, before);
      }
    }
  }
});

test("a snapshot of one's own is not found as that of a sandbox that it is not of", async () => {
  const { engine, reached } = engineFor(system);
  await assert.rejects(engine.snapshots.get('snap-anns', undefined, 'bobs'), { code: 'snapshot_not_found' });
  assert.equal(reached.length, 0);
});

test('each call asks for its permission, whichever route made it', async () => {
  for (const role of roleSchema.options) {
    const caller = callerOf(role, { owner: 'ann', team: 'crew' });
    const { engine, reached } = engineFor(caller);
    for (const [name, call, { on, needs }] of everyCall) {
      const asked = callOf(engine, name, call)(...(anns[on]?.names ?? [{}]));
      const may = needs === null || rolePermissions[role].includes(needs);
      if (may) await asked;
      else await assert.rejects(asked, { code: 'forbidden', details: { permission: needs } }, `${name}.${call}`);
    }
    assert.equal(new Set(reached.map(({ call }) => call)).size, reached.length);
  }
});

test('a new thing belongs to its maker, whatever its maker says; a list is told whose it is', async () => {
  const ann = callerOf('user', { owner: 'ann', team: 'crew' });
  const { engine, reached } = engineFor({ ...ann, permissions: new Set(permissionSchema.options) });
  const asBob = { ownership: { owner: 'bob', team: 'bob' } };
  const scope = { of: 'owner', owner: 'ann' };
  await engine.sandboxes.create({}, asBob);
  await engine.snapshots.take('anns', {}, asBob);
  await engine.snapshots.fork('anns', {}, asBob);
  await engine.snapshots.create('snap-anns', {}, asBob);
  await engine.snapshots.load([], {}, asBob);
  for (const { call, args } of reached.splice(0))
    assert.deepEqual(args.at(-1), { ownership: { owner: 'ann', team: 'crew' }, scope }, call);
  await engine.sandboxes.list({ all: true });
  await engine.snapshots.list({ sandbox: 'anns' }, everything);
  await engine.snapshots.removeOlder(5, everything);
  await engine.snapshots.statistics(everything);
  assert.deepEqual(
    reached.map(({ args }) => args),
    [[{ all: true }, scope], [{ sandbox: 'anns' }, scope], [5, scope], [scope]],
  );
});

test('a sandbox from a snapshot gets no more than a create would give', async () => {
  const { engine, reached } = engineFor(callerOf('user', { owner: 'ann', team: 'crew' }));
  const port = engine.snapshots.create('snap-anns', { hostPort: 80 });
  await assert.rejects(port, { code: 'forbidden', details: { permission: 'network:write' } });
  assert.equal(reached.length, 0);
  const narrow = engineFor(callerOf('user', { owner: 'ann', team: 'crew' }, ['vm:create']));
  for (const asked of [
    narrow.engine.snapshots.create('snap-anns', { autoResume: true }),
    narrow.engine.snapshots.fork('anns', { autoResume: true }),
  ])
    await assert.rejects(asked, { code: 'forbidden', details: { permission: 'vm:start' } });
  await narrow.engine.snapshots.fork('anns', {});
});

test('a volume is reached within the scope of the caller, and belongs to its maker', async () => {
  const ann = engineFor(callerOf('user', { owner: 'ann', team: 'crew' }));
  await ann.engine.volumes.create({ name: 'new' }, { ownership: { owner: 'bob', team: 'bob' } });
  await ann.engine.volumes.list({ of: 'all', owner: null });
  await ann.engine.volumes.resize('anns', 128);
  assert.deepEqual(
    ann.reached.map(({ args }) => args),
    [[{ name: 'new' }, { ownership: { owner: 'ann', team: 'crew' } }], [{ of: 'owner', owner: 'ann' }], ['anns', 128]],
  );
  const bob = engineFor(callerOf('user', { owner: 'bob', team: 'crew' }));
  for (const [name, call] of everyCall.filter(([, , { on }]) => on === 'volume'))
    await assert.rejects(callOf(bob.engine, name, call)('anns'), { code: 'volume_not_found' }, call);
  assert.deepEqual(bob.reached, []);
});

test('a network is reached within the scope of the caller, and belongs to its maker', async () => {
  const ann = engineFor(callerOf('user', { owner: 'ann', team: 'crew' }));
  await ann.engine.networks.create({ name: 'new' }, { ownership: { owner: 'bob', team: 'bob' } });
  await ann.engine.networks.list({ of: 'all', owner: null });
  await ann.engine.networks.isolate('anns', 'strict');
  assert.deepEqual(
    ann.reached.map(({ args }) => args),
    [
      [{ name: 'new' }, { ownership: { owner: 'ann', team: 'crew' } }],
      [{ of: 'owner', owner: 'ann' }],
      ['anns', 'strict'],
    ],
  );
  const bob = engineFor(callerOf('user', { owner: 'bob', team: 'crew' }));
  for (const [name, call] of everyCall.filter(([, , { on }]) => on === 'network'))
    await assert.rejects(callOf(bob.engine, name, call)('anns'), { code: 'network_not_found' }, call);
  assert.deepEqual(bob.reached, []);
});

test('permissions that a config needs beside vm:create', () => {
  assert.deepEqual(neededFor({}, drivers), []);
  assert.deepEqual(neededFor({ hostPort: 80 }, drivers), ['network:write']);
  assert.deepEqual(neededFor({ image: 'alpine' }, drivers), ['template:build']);
  for (const image of ['/image', './image', 'docker:name', 'podman:name'])
    assert.deepEqual(neededFor({ image }, drivers), ['template:build', 'system:admin'], image);
  assert.deepEqual(neededFor({ volumes: [{ name: 'cache', path: '/c' }] }, drivers), ['volume:write']);
  for (const config of [
    { hypervisor: 'process' },
    { hypervisor: 'foreign' },
    { rootfsPath: '/a' },
    { firmwarePath: '/a' },
    { extraDrives: [{ path: '/a', mountPath: '/b' }] },
  ] as const)
    assert.deepEqual(
      neededFor({ ...config, extraDrives: [...('extraDrives' in config ? config.extraDrives : [])] }, drivers),
      ['system:admin'],
    );
  assert.deepEqual(neededFor({ hypervisor: 'qemu' }, drivers), []);
});

/** Files that access the sandboxes of all owners, with the reason. */
const asSystem: Readonly<Record<string, string>> = {
  'authority/callers.ts': 'says what it is',
  'compose.ts': 'what the daemon does of its own accord: idle VMs are stopped, forwarded ports led on',
  'e2b/volume-content.ts': 'the volume whose token a request for its files carries',
  'proxy/access.ts': 'the sandbox that a host name leads to, before the visitor is asked for its token',
  'proxy/agent/index.ts': 'the sandbox whose token made a signature',
  'vms/export.ts': 'the snapshot of an export is removed with it, also for callers who may not delete snapshots',
  'vms/fork.ts': 'children of a fork that a killed daemon had begun are removed, also for callers who may not remove',
  'vms/snapshots.ts':
    'a snapshot that a killed daemon had taken is found by its key, also for callers who may not look',
  'vms/volumes.ts': 'a volume that a killed daemon had made is found by its key, also for callers who may not look',
};

test('nothing acts as the daemon itself beyond the places that are listed', () => {
  const source = join(import.meta.dirname, '..');
  const files = globSync('**/*.ts', { cwd: source }).filter((file) => !file.endsWith('.test.ts'));
  const acting = files.filter((file) =>
    /\bsystem\b[^;\n]*authority\/callers|const system: Caller/.test(readFileSync(join(source, file), 'utf8')),
  );
  assert.deepEqual(acting.toSorted(), Object.keys(asSystem).toSorted());
});
