import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { Sandbox } from 'novasandbox';
import { finished, novaCommand } from '../support/nova-cli.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';
import { whyNoSlots } from '../support/slots.ts';

/** Secrets over REST, the SDK over a daemon, the command line and E2B's API. */
const skip = await whyNoSlots();
let server: ServerUnderTest;
let id: string;
const value = 'sk-proj-TheValueThatNobodyIsTold0123456789';
const hosts = [{ host: 'api.example.com' }];

before(async () => {
  if (skip !== false) return;
  server = await serverUnderTest();
  const secrets = [{ name: 'AT_CREATE', value, hosts }];
  ({ id } = await server.vm({ name: 'box', memory_mb: 512, secrets }));
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
});

const inGuest = async (name: string): Promise<string> =>
  (await server.ok('POST', `/vms/${id}/execute`, { command: `echo "$${name}"` })).stdout.trim();
const nova = (argv: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  finished(spawn(process.execPath, [...novaCommand.slice(1), ...argv], { env: { ...server.home.env, ...env } }));
const namesOverRest = async (): Promise<string[]> =>
  (await server.ok('GET', `/vms/${id}/secrets`)).secrets.map(({ name }: { name: string }) => name);

test('over REST a secret is given at the create, set, listed without its value, and removed', { skip }, async () => {
  assert.deepEqual(await namesOverRest(), ['AT_CREATE']);
  assert.match(await inGuest('AT_CREATE'), /^sk-proj-[A-Za-z0-9]{34}$/);
  const put = await server.call('PUT', `/vms/${id}/secrets/LATER`, { body: { value, hosts, budget: { requests: 5 } } });
  assert.equal(put.status, 200, put.bytes.toString());
  assert.equal(await inGuest('LATER'), put.body.placeholder);
  const everything = await Promise.all(
    [`/vms/${id}`, `/vms/${id}/secrets`, `/vms/${id}/network/decisions`, '/events?follow=false'].map((path) =>
      server.call('GET', path),
    ),
  );
  for (const { bytes } of [put, ...everything]) assert.doesNotMatch(bytes.toString(), /TheValueThatNobody/);
  assert.equal((await server.call('DELETE', `/vms/${id}/secrets/LATER`)).status, 204);
  assert.equal((await server.call('DELETE', `/vms/${id}/secrets/LATER`)).status, 204);
  assert.deepEqual(await namesOverRest(), ['AT_CREATE']);
  assert.equal(await inGuest('LATER'), '');
});

test('what is no secret is refused, and the refusal does not repeat it', { skip }, async () => {
  for (const body of [
    { value: 'two words', hosts },
    { value, hosts: [{ host: '*' }] },
    { value, hosts: [] },
    { value, hosts, inject: { header: 'Host', format: '{}' } },
    { value, hosts, positions: { headers: ['cookie'] } },
  ]) {
    const refused = await server.call('PUT', `/vms/${id}/secrets/BAD`, { body });
    assert.equal(refused.status, 422, refused.bytes.toString());
    assert.doesNotMatch(refused.bytes.toString(), /TheValueThatNobody|two words/);
  }
  assert.equal((await server.call('PUT', `/vms/${id}/secrets/not-a-name`, { body: { value, hosts } })).status, 422);
});

test('the SDK sets, lists and removes secrets over the daemon', { skip }, async () => {
  await using box = await Sandbox.connect(id, { apiUrl: server.url, apiKey: server.key });
  const { placeholder } = await box.secrets.set('FROM_SDK', { value, hosts });
  assert.equal(await inGuest('FROM_SDK'), placeholder);
  assert.deepEqual(
    (await box.secrets.list()).map(({ name }) => name),
    ['AT_CREATE', 'FROM_SDK'],
  );
  assert.equal((await box.secrets.set('FROM_SDK', { value: `${value}x`, hosts })).placeholder, placeholder);
  await box.secrets.remove('FROM_SDK');
  assert.deepEqual(await namesOverRest(), ['AT_CREATE']);
});

test('nova secret sets, lists and removes secrets, whose values are never on its command line', { skip }, async () => {
  const set = await nova(
    ['secret', 'set', 'box', 'FROM_CLI=env:MINE@api.example.com,api.example.org:8443', '--requests', '7'],
    {
      MINE: value,
    },
  );
  assert.equal(set.stdout.trim(), await inGuest('FROM_CLI'), set.stderr);
  const listed = await nova(['secret', 'ls', 'box']);
  assert.match(listed.stdout, /FROM_CLI +api\.example\.com,api\.example\.org:8443 +0\/7/);
  const missing = await nova(['secret', 'set', 'box', `FROM_CLI=${value}@api.example.com`]);
  assert.notEqual(missing.code, 0);
  assert.doesNotMatch(missing.stderr, /TheValueThatNobody/);
  assert.equal((await nova(['secret', 'rm', 'box', 'FROM_CLI'])).code, 0);
  assert.deepEqual(await namesOverRest(), ['AT_CREATE']);
  const ran = await nova(['run', '-q', '--secret', 'TOKEN@api.example.com', '--', 'sh', '-c', 'echo $TOKEN'], {
    TOKEN: value,
  });
  assert.match(ran.stdout, /^sk-proj-[A-Za-z0-9]{34}\n$/, ran.stderr);
  assert.notEqual(ran.stdout.trim(), value);
});

test("E2B's rules are secrets that requests get, and PUT /network replaces them", { skip }, async () => {
  const rules = { 'api.example.com': [{ transform: { headers: { Authorization: `Bearer ${value}` } } }] };
  const replace = (body: unknown) => server.call('PUT', `//sandboxes/${id}/network`, { body });
  const put = await replace({ rules });
  assert.equal(put.status, 204, put.bytes.toString());
  const { secrets } = await server.ok('GET', `/vms/${id}/secrets`);
  assert.deepEqual(
    secrets.map(({ name, inject, env }: { name: string; inject: string | null; env: string | null }) => [
      name,
      inject,
      env,
    ]),
    [
      ['AT_CREATE', null, 'AT_CREATE'],
      ['e2b_rule_0', 'Authorization', null],
    ],
  );
  assert.equal((await replace({})).status, 204);
  assert.deepEqual(await namesOverRest(), ['AT_CREATE']);
});
