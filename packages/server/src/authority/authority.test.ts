import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { NovaError, within, type SandboxInfo, type Scope } from '@novasandbox/protocol';
import { permissionSchema, rolePermissions, roleSchema, type Permission } from '@novasandbox/protocol/api';
import type { Caller, Services } from '../context.ts';
import { callerOf, nobody, system, visitorOf } from './callers.ts';
import { authorised } from './engine.ts';
import { neededFor } from './permissions.ts';
import { rules, type Rule } from './rules.ts';

const boxes = [
  { id: 'anns', name: 'box', owner: 'ann', team: 'crew' },
  { id: 'bobs', name: 'box', owner: 'bob', team: 'bob' },
  { id: 'hosts', name: null, owner: null, team: null },
] as unknown as SandboxInfo[];

/** Every call of the engine, as a caller makes it; `reached` tells of those that come through. */
function engineFor(caller: Caller) {
  const reached: { call: string; args: readonly unknown[] }[] = [];
  const service = (name: string, calls: object): object =>
    Object.fromEntries(
      Object.keys(calls).map((call) => [
        call,
        async (...args: unknown[]) => {
          // A look-up within a scope is the boundary's own.
          if (name === 'sandboxes' && call === 'get' && typeof args[1] === 'object') {
            const [ref, scope] = args as [string, Scope];
            const found = boxes.find((box) => (box.id === ref || box.name === ref) && within(scope, box));
            if (found === undefined) throw new NovaError('sandbox_not_found', ref);
            return found;
          }
          reached.push({ call: `${name}.${call}`, args });
          return undefined;
        },
      ]),
    );
  const engine = Object.fromEntries(Object.entries(rules).map(([name, calls]) => [name, service(name, calls)]));
  const known = (id: string) => boxes.find((box) => box.id === id);
  return { engine: authorised(engine as unknown as Services, caller, known), reached };
}

type AnyCall = (...args: unknown[]) => Promise<unknown>;
const everyCall: readonly [name: string, call: string, rule: Rule][] = Object.entries(rules).flatMap(([name, calls]) =>
  Object.entries<Rule>(calls).map(([call, rule]): [string, string, Rule] => [name, call, rule]),
);
const callOf = (engine: Services, name: string, call: string): AnyCall =>
  (engine as unknown as Record<string, Record<string, AnyCall>>)[name]?.[call] as AnyCall;

test('no call for a sandbox of another reaches the engine; by its owner, its team and an admin each does', async () => {
  const ann = { owner: 'ann', team: 'crew' };
  const all = new Set<Permission>(permissionSchema.options);
  const as = (role: 'user' | 'power_user' | 'admin', owner: string, team: string): Caller => ({
    ...callerOf(role, { owner, team }),
    permissions: all,
  });
  for (const [caller, mayReach] of [
    [as('user', ann.owner, ann.team), true],
    [as('power_user', 'lead', 'crew'), true],
    [as('admin', 'root', 'root'), true],
    [system, true],
    [{ ...visitorOf('anns', 'agent'), permissions: all }, true],
    [{ ...visitorOf('bobs', 'agent'), permissions: all }, false],
    [as('user', 'mate', 'crew'), false],
    [as('power_user', 'bob', 'bob'), false],
    [{ ...nobody, permissions: all }, false],
  ] as const) {
    const { engine, reached } = engineFor(caller);
    for (const [name, call, { on }] of everyCall.filter(([, , rule]) => rule.on === 'sandbox')) {
      const asked = callOf(engine, name, call)('anns', 'more');
      if (mayReach) await asked;
      else await assert.rejects(asked, { code: 'sandbox_not_found' }, `${name}.${call} on a ${on}`);
    }
    const sandboxCalls = everyCall.filter(([, , { on }]) => on === 'sandbox').length;
    assert.equal(reached.length, mayReach ? sandboxCalls : 0, JSON.stringify(caller.scope));
    for (const { args } of reached) assert.deepEqual(args, ['anns', 'more']);
  }
});

test('each call asks for its permission, whichever route made it', async () => {
  for (const role of roleSchema.options) {
    const caller = callerOf(role, { owner: 'ann', team: 'crew' });
    const { engine, reached } = engineFor(caller);
    for (const [name, call, { needs }] of everyCall) {
      const asked = callOf(engine, name, call)(call === 'create' ? {} : 'anns');
      const may = needs === null || rolePermissions[role].includes(needs);
      if (may) await asked;
      else await assert.rejects(asked, { code: 'forbidden', details: { permission: needs } }, `${name}.${call}`);
    }
    assert.equal(new Set(reached.map(({ call }) => call)).size, reached.length);
  }
});

test('a new sandbox belongs to its maker, whatever its maker says; a list is told whose it is', async () => {
  const { engine, reached } = engineFor(callerOf('user', { owner: 'ann', team: 'crew' }));
  await engine.sandboxes.create({}, { ownership: { owner: 'bob', team: 'bob' } });
  await engine.sandboxes.list({ all: true });
  assert.deepEqual(
    reached.map(({ args }) => args),
    [
      [{}, { ownership: { owner: 'ann', team: 'crew' } }],
      [{ all: true }, { of: 'owner', owner: 'ann' }],
    ],
  );
});

test('permissions that a config needs beside vm:create', () => {
  assert.deepEqual(neededFor({}), []);
  assert.deepEqual(neededFor({ hostPort: 80 }), ['network:write']);
  for (const config of [
    { hypervisor: 'process' },
    { rootfsPath: '/a' },
    { firmwarePath: '/a' },
    { extraDrives: [{ path: '/a', mountPath: '/b' }] },
  ] as const)
    assert.deepEqual(neededFor({ ...config, extraDrives: [...('extraDrives' in config ? config.extraDrives : [])] }), [
      'system:admin',
    ]);
});

/** Places that look at all sandboxes, whosever they are, with the reason. */
const asSystem: Readonly<Record<string, string>> = {
  'authority/callers.ts': 'says what it is',
  'proxy/access.ts': 'the sandbox that a host name leads to, before the visitor is asked for its token',
  'proxy/agent/index.ts': 'the sandbox whose token made a signature',
  'e2b/auto-pause.ts': 'time limits end by the clock, not by a request',
};

test('nothing acts as the daemon itself beyond the places that are listed', () => {
  const source = join(import.meta.dirname, '..');
  const files = globSync('**/*.ts', { cwd: source }).filter((file) => !file.endsWith('.test.ts'));
  const acting = files.filter((file) =>
    /\bsystem\b[^;\n]*authority\/callers|const system: Caller/.test(readFileSync(join(source, file), 'utf8')),
  );
  assert.deepEqual(acting.toSorted(), Object.keys(asSystem).toSorted());
});
