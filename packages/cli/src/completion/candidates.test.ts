import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildProgram } from '../program.ts';
import { completionCandidates } from './candidates.ts';

const source = {
  sandboxes: () => Promise.resolve(['box', 'web']),
  templates: () => Promise.resolve(['base', 'linux-default']),
  snapshots: () => Promise.resolve(['installed', 'tested']),
  volumes: () => Promise.resolve(['cache', 'pgdata']),
  networks: () => Promise.resolve(['backend']),
  commands: (sandbox: string) => Promise.resolve(sandbox === 'box' ? ['7', '12'] : []),
  eventTypes: () => Promise.resolve(['vm.started', 'vm']),
  permissions: () => Promise.resolve(['vm:read']),
  keys: () => Promise.resolve(['1f2e', '2a3b']),
  users: () => Promise.resolve(['ann']),
};
const complete = (...words: string[]) => completionCandidates(words, buildProgram, source);

test('verbs come first', async () => {
  const verbs = await complete('');
  for (const verb of ['run', 'exec', 'template', 'doctor']) assert.ok(verbs.includes(verb), verb);
  assert.ok(!verbs.includes('__complete'));
  assert.deepEqual(await complete('st'), ['start', 'stop', 'stats']);
});

test('options of the verb follow a dash', async () => {
  assert.deepEqual(await complete('run', '--mem'), ['--memory']);
  assert.ok((await complete('exec', '-')).includes('--workdir'));
});

test('sandboxes, templates, shells and files stand where they are asked for', async () => {
  assert.deepEqual(await complete('exec', ''), ['box', 'web']);
  assert.deepEqual(await complete('rm', 'box', 'w'), ['web']);
  assert.deepEqual(await complete('rm', '--force', ''), ['box', 'web']);
  assert.deepEqual(await complete('ps', '--te'), ['--team']);
  assert.deepEqual(await complete('run', '--template', 'b'), ['base']);
  assert.deepEqual(await complete('run', '--memory', '1g', '--hypervisor', 'q'), ['qemu']);
  assert.deepEqual(await complete('start', '--hypervisor', 'f'), ['firecracker']);
  assert.deepEqual(await complete('setup', 'clo'), ['cloud-hypervisor']);
  assert.deepEqual(await complete('template', ''), ['ls', 'build', 'inspect', 'rm']);
  assert.deepEqual(await complete('template', 'build', 'l'), ['linux-default']);
  assert.deepEqual(await complete('snapshot', 's'), ['stats', 'save']);
  assert.deepEqual(await complete('snapshot', 'take', 'b'), ['box']);
  assert.deepEqual(await complete('snapshot', 'restore', 'box', 'i'), ['installed']);
  assert.deepEqual(await complete('snapshot', 'rm', 'installed', 't'), ['tested']);
  assert.deepEqual(await complete('snapshot', 'load', ''), [':files']);
  assert.deepEqual(await complete('create', '--snapshot', ''), ['installed', 'tested']);
  assert.deepEqual(await complete('fork', 'w'), ['web']);
  assert.deepEqual(await complete('attach', 'box', ''), ['7', '12']);
  assert.deepEqual(await complete('logs', 'box', '--exec', '1'), ['12']);
  assert.deepEqual(await complete('events', '--filter', 't'), ['type=vm.started', 'type=vm']);
  assert.deepEqual(await complete('events', '--filter', 'sandbox=b'), ['sandbox=box']);
  assert.deepEqual(await complete('key', 'rm', '1'), ['1f2e']);
  assert.deepEqual(await complete('key', 'create', '--user', ''), ['ann']);
  assert.deepEqual(await complete('key', 'create', '--role', 'p'), ['power_user']);
  assert.deepEqual(await complete('key', 'create', '--scope', 'v'), ['vm:read']);
  assert.deepEqual(await complete('user', 'rm', ''), ['ann']);
  assert.deepEqual(await complete('user', ''), ['add', 'ls', 'rm', 'roles', 'whoami']);
  assert.deepEqual(await complete('rename', 'b'), ['box']);
  assert.deepEqual(await complete('ps', 'w'), ['web']);
  assert.deepEqual(await complete('cp', 'b'), ['box:', ':files']);
  assert.deepEqual(await complete('volume', 'cp', 'c'), ['cache:', ':files']);
  assert.deepEqual(await complete('volume', 'rm', 'p'), ['pgdata']);
  assert.deepEqual(await complete('network', 'rm', 'b'), ['backend']);
  assert.deepEqual(await complete('create', '--network', ''), ['backend']);
  assert.deepEqual(await complete('completion', 'z'), ['zsh']);
  assert.deepEqual(await complete('run', '--', ''), [':files']);
});
