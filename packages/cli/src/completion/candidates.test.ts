import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completionCandidates } from './candidates.ts';

const source = {
  sandboxes: () => Promise.resolve(['box', 'web']),
  templates: () => Promise.resolve(['base', 'linux-default']),
};
const complete = (...words: string[]) => completionCandidates(words, source);

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
  assert.deepEqual(await complete('cp', 'b'), ['box:', ':files']);
  assert.deepEqual(await complete('completion', 'z'), ['zsh']);
  assert.deepEqual(await complete('run', '--', ''), [':files']);
});
