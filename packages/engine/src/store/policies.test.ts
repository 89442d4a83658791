import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { builtInPolicies, parse, sandboxConfigSchema } from '@novasandbox/protocol';
import type { Store } from '../ports/store.ts';
import { ownIdentity } from '../vmm/process-identity.ts';
import { openSqliteStore } from './sqlite.ts';

const folder = mkdtempSync(join(tmpdir(), 'nova-policies-'));
after(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
const open = (): Store => openSqliteStore(join(folder, `${(count += 1)}.sqlite`), join(folder, 'reserve'));

const policy = (id: string, name: string, owner: string | null = null) => ({
  ...{ id, name, owner, team: owner, policy: builtInPolicies.none, createdAtMs: 0, changedAtMs: 0 },
});

function addSandbox(store: Store, id: string, owner: string | null, name?: string): void {
  store.addSandbox({
    ...{ id, name: null, owner, team: owner, hypervisor: 'qemu', memoryMb: 1, vcpus: 1, diskSizeMb: 1 },
    config: parse(sandboxConfigSchema, name === undefined ? {} : { policy: name }, 'config'),
    createdAtMs: 0,
    maker: ownIdentity(),
  });
}

test("a name means the owner's policy, or else the host's; it cannot be taken while sandboxes mean another", () => {
  using store = open();
  store.addPolicy(policy('anns', 'web', 'ann'));
  store.addPolicy(policy('hosts', 'web'));
  store.addPolicy(policy('shared', 'shared'));
  assert.equal(store.policyNamed('web', 'ann')?.id, 'anns');
  assert.equal(store.policyNamed('web', 'bob')?.id, 'hosts');
  assert.equal(store.policyNamed('nobody', 'ann'), null);
  assert.throws(() => store.addPolicy(policy('again', 'web', 'ann')), { code: 'conflict' });
  assert.throws(() => store.addPolicy(policy('bobs', 'shared', 'bob')), { code: 'conflict', message: /host/ });
  assert.throws(() => store.findPolicy('web', { of: 'all', owner: 'bob' }), { code: 'conflict' });
  assert.equal(store.findPolicy('web', { of: 'owner', owner: 'bob' }), null);
  assert.equal(store.findPolicy('web', { of: 'owner', owner: 'ann' })?.id, 'anns');
});

test('a policy that sandboxes mean is not removed', () => {
  using store = open();
  store.addPolicy(policy('anns', 'web', 'ann'));
  store.addPolicy(policy('hosts', 'web'));
  addSandbox(store, 'one', 'ann', 'web');
  addSandbox(store, 'two', 'bob', 'web');
  addSandbox(store, 'three', 'bob');
  assert.deepEqual(store.sandboxesUnder({ id: 'anns', name: 'web' }), ['one']);
  assert.deepEqual(store.removePolicy('hosts'), ['two']);
  store.removeSandbox('two');
  assert.deepEqual(store.removePolicy('hosts'), []);
  assert.deepEqual(
    store.listPolicies().map(({ id }) => id),
    ['anns'],
  );
  assert.equal(store.changePolicy('anns', builtInPolicies.all, 5)?.changedAtMs, 5);
  assert.equal(store.changePolicy('hosts', builtInPolicies.all, 5), null);
});

const question = (id: string, atMs = 0) => ({
  ...{ id, sandbox: 'box', host: `${id}.example`, address: null, port: 443 },
  askedAt: new Date(atMs).toISOString(),
});

test('a question is asked once, and again after its answer; a flood pushes out no answer', () => {
  using store = open();
  assert.equal(store.noteQuestion(question('a')), false, 'there is no such sandbox');
  addSandbox(store, 'box', null);
  assert.deepEqual([store.noteQuestion(question('a')), store.noteQuestion(question('a', 5))], [true, false]);
  const answer = { answer: 'allow', scope: 'session', untilMs: null } as const;
  store.answerApproval('a', { ...answer, scope: 'once' });
  assert.equal(store.noteQuestion(question('a')), false, 'it was asked before its answer');
  assert.deepEqual([store.noteQuestion(question('a', 9)), store.findApproval('a')?.answer], [true, null]);
  assert.equal(store.answerApproval('a', answer)?.answer, 'allow');
  assert.equal(store.answerApproval('b', answer), null);
  assert.deepEqual([store.noteQuestion(question('a', 10)), store.findApproval('a')?.answer], [false, 'allow']);
  store.answerApproval('a', { ...answer, untilMs: 1 });
  assert.equal(store.noteQuestion(question('a', 11)), true, 'the time of its answer is over');
  store.answerApproval('a', answer);
  for (let index = 0; index < 400; index += 1) store.noteQuestion(question(`n${index}`, 10 + index));
  const kept = store.listApprovals('box');
  assert.deepEqual([kept.length, kept[0]?.id, kept.at(-1)?.id], [256, 'a', 'n399']);
  store.removeSandbox('box');
  assert.deepEqual(store.listApprovals(), []);
});
