import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { NetworkPolicies } from 'novasandbox';
import type { ApprovalWire } from '@novasandbox/protocol/api';
import { egressProcesses } from '../support/egress-process.ts';
import { eventually } from '../support/eventually.ts';
import { makeInternet, type Internet } from '../support/internet.ts';
import { finished, novaCommand } from '../support/nova-cli.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';
import { whyNoSlots } from '../support/slots.ts';

/** Policies with names, denials, questions and what is learned, over a daemon and from within a real guest. */
const skip = await whyNoSlots();
let internet: Internet;
let server: ServerUnderTest;
let id: string;

before(async () => {
  if (skip !== false) return;
  internet = await makeInternet('fourth');
  server = await serverUnderTest({ NOVA_NETWORKING_DEFAULT_POLICY: 'none' });
  ({ id } = await server.vm({ name: 'box', timeout_seconds: 0 }));
});
after(async () => {
  if (skip !== false) return;
  await server[Symbol.asyncDispose]();
  await internet[Symbol.asyncDispose]();
});

const run = async (command: string): Promise<{ readonly stdout: string; readonly exit_code: number }> =>
  server.ok('POST', `/vms/${id}/execute`, { command, timeout_seconds: 60 });
const get = (target = internet.address): Promise<string> =>
  run(`curl -sS --noproxy '*' --max-time 30 http://${target}/ 2>&1`).then(({ stdout }) => stdout);
const hello = (): string => `hello ${internet.hostAddress}\n`;
const nova = (...argv: string[]) =>
  finished(spawn(novaCommand[0] ?? '', [...novaCommand.slice(1), ...argv], { env: server.home.env }));
const setPolicy = (policy: unknown): Promise<unknown> => server.ok('PUT', `/vms/${id}/network/policy`, { policy });
const refused = async (method: string, path: string, body?: unknown): Promise<readonly [number, string]> => {
  const answer = await server.call(method, path, body === undefined ? {} : { body });
  return [answer.status, answer.body?.error?.code];
};
const ruleFor = (address: string) => ({ action: 'allow', cidr: address, ports: [80] });
const eventsOf = async (type: string) => {
  const { bytes } = await server.call('GET', `/events?type=${type}&since=0&follow=false`);
  return bytes
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { readonly vm_id: string; readonly data: Record<string, unknown> });
};

test('a sandbox has the default policy; a policy with a name reaches all that name it', { skip }, async () => {
  assert.deepEqual(await server.ok('GET', `/vms/${id}/network/policy`), { policy: 'none' });
  assert.match(await get(), /not_allowed/);
  const web = await server.ok('POST', '/network/policies', { name: 'web', policy: { otherwise: 'deny' } });
  assert.deepEqual([web.name, web.owner, web.used_by], ['web', null, []]);
  await setPolicy('web');
  assert.match(await get(), /not_allowed/);
  const changed = await server.ok('PUT', '/network/policies/web', { policy: { rules: [ruleFor(internet.address)] } });
  assert.deepEqual(changed.used_by, [id]);
  assert.equal(await get(), hello());
  await server.ok('PUT', `/network/policies/${web.id}`, { policy: { otherwise: 'deny' } });
  assert.match(await get(), /not_allowed/);
  assert.deepEqual(
    (await server.ok('GET', '/network/policies')).policies.map(({ name }: { name: string }) => name),
    ['web'],
  );
});

test('a policy in use stays; names that are taken or unknown are refused', { skip }, async () => {
  const [status, code] = await refused('DELETE', '/network/policies/web');
  assert.deepEqual([status, code], [409, 'conflict']);
  assert.deepEqual(await refused('POST', '/network/policies', { name: 'web', policy: {} }), [409, 'conflict']);
  assert.deepEqual(await refused('POST', '/network/policies', { name: 'all', policy: {} }), [422, 'invalid_argument']);
  assert.deepEqual(await refused('PUT', `/vms/${id}/network/policy`, { policy: 'nobody' }), [404, 'not_found']);
  assert.deepEqual(await refused('POST', '/vms', { policy: 'nobody' }), [404, 'not_found']);
  assert.deepEqual(await refused('GET', '/network/policies/nobody'), [404, 'not_found']);
  const udp = { rules: [{ action: 'allow', host: 'a.example', protocol: 'udp' }] };
  assert.deepEqual(await refused('PUT', '/network/policies/web', { policy: udp }), [501, 'not_implemented']);
  assert.deepEqual(await server.ok('GET', `/vms/${id}/network/policy`), { policy: 'web' });
});

test('denials are events and metrics, of which a flood makes few', { skip }, async () => {
  const before = (await eventsOf('network.denied')).length;
  await run("curl -s --noproxy '*' -o /dev/null 'http://192.0.2.[1-200]/'");
  const metrics = async (): Promise<number> => {
    const text = (await server.call('GET', '//metrics')).bytes.toString();
    return Number(/^microvm_network_denials_total\{code="not_allowed"\} (\d+)$/m.exec(text)?.[1]);
  };
  await eventually('all are counted', async () => (await metrics()) >= 200);
  const events = await eventsOf('network.denied');
  assert.ok(events.length > before && events.length < 100, `${events.length} events`);
  const [first] = events;
  assert.deepEqual([first?.vm_id, first?.data['code'], first?.data['rule']], [id, 'not_allowed', 'otherwise']);
  const told = events.reduce((sum, { data }) => sum + Number(data['count']), 0);
  assert.ok(told >= 200, `${told} are told of`);
});

test('what a command needs is learned, over REST and by the command line', { skip }, async () => {
  await setPolicy('all');
  assert.deepEqual(await refused('GET', `/vms/${id}/network/policy/learned`), [409, 'invalid_state']);
  await setPolicy({ otherwise: 'allow' });
  assert.equal(await get(), hello());
  const learned = await server.ok('GET', `/vms/${id}/network/policy/learned`);
  assert.deepEqual(learned.policy.rules, [{ action: 'allow', cidr: internet.address, ports: [80], methods: ['GET'] }]);
  assert.deepEqual([learned.complete, learned.contacts.length], [true, 1]);
  await setPolicy(learned.policy);
  assert.equal(await get(), hello());

  const file = join(server.home.home, 'policy.json');
  const command = ['curl', '-sS', '--noproxy', '*', `http://${internet.address}/`];
  const { code, stdout, stderr } = await nova('policy', 'learn', '-q', '-o', file, '--', ...command);
  assert.deepEqual([code, stdout], [0, hello()], stderr);
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), learned.policy);
  assert.equal((await server.ok('GET', '/vms?status=all')).total, 1, 'its sandbox is gone');
});

const approvals = async (query = '?pending=true'): Promise<ApprovalWire[]> =>
  (await server.ok('GET', `/network/approvals${query}`)).approvals;
async function question(): Promise<ApprovalWire> {
  let found: ApprovalWire | undefined;
  await eventually('a question', async () => {
    [found] = await approvals(`?pending=true&vm=box`);
    return found !== undefined;
  });
  assert.ok(found !== undefined);
  return found;
}

test('a connection that nobody has decided about is held, told of, and answered', { skip }, async () => {
  await server.ok('PUT', '/network/policies/web', { policy: { otherwise: 'ask' } });
  await setPolicy('web');
  const held = get();
  const asked = await question();
  assert.deepEqual([asked.vm_id, asked.host, asked.address, asked.port], [id, null, internet.address, 80]);
  await eventually('an event', async () =>
    (await eventsOf('network.approval_needed')).some(({ data }) => data['approval'] === asked.id),
  );
  // To a stranger it is not there.
  const { key } = await server.ok('POST', '/security/api-keys', { name: 'stranger', role: 'power_user' });
  assert.deepEqual((await server.call('GET', '/network/approvals', { key })).body, { approvals: [] });
  const answer = { key, body: { action: 'allow' } };
  assert.equal((await server.call('POST', `/network/approvals/${asked.id}`, answer)).status, 404);
  const shown = await nova('policy', 'pending');
  assert.match(shown.stdout, new RegExp(`${asked.id}.*${internet.address}:80`));
  const { stdout } = await nova('policy', 'approve', asked.id);
  assert.match(stdout, /allow once until/);
  assert.equal(await held, hello());
  const answered = await eventsOf('network.approval_answered');
  assert.deepEqual([answered[0]?.data['approval'], answered[0]?.data['answer']], [asked.id, 'allow']);

  // Without an answer the guest is told whom to ask, and a retry finds the answer.
  const denied = JSON.parse(await get()) as Record<string, unknown>;
  assert.deepEqual([denied['code'], denied['approval']], ['approval_needed', asked.id]);
  assert.deepEqual(await refused('POST', `/network/approvals/${'0'.repeat(32)}`, { action: 'allow' }), [
    404,
    'not_found',
  ]);
  assert.deepEqual(
    await refused('POST', `/network/approvals/${asked.id}`, { action: 'allow', scope: 'always', for_seconds: 5 }),
    [422, 'invalid_argument'],
  );
  const session = await server.ok('POST', `/network/approvals/${asked.id}`, { action: 'allow', scope: 'session' });
  assert.deepEqual([session.answer, session.scope, session.expires_at], ['allow', 'session', null]);
  assert.equal(await get(), hello());
});

test('questions and answers outlive the daemon and the egress process', { skip }, async () => {
  // A question that waits, and the answer for the session from before.
  const waiting = run(`curl -s --noproxy '*' --max-time 20 http://${internet.address}:81/`).catch(() => undefined);
  await question();
  await server.end('SIGKILL');
  await waiting;
  for (const pid of egressProcesses(server.home.layout)) process.kill(pid, 'SIGKILL');
  await server.restart();
  await eventually('the guest is served again', async () => (await get()) === hello());
  const [pending, ...others] = await approvals();
  assert.deepEqual([pending?.port, others.length], [81, 0]);
  // It is answered although nobody waits for it any more.
  const { code } = await nova('policy', 'deny', pending?.id ?? '', '--scope', 'session', '--for', '1h');
  assert.equal(code, 0);
  const denied = await run(`curl -s --noproxy '*' http://${internet.address}:81/`);
  assert.match(denied.stdout, /"code":"denied","rule":"approval"/);
  assert.deepEqual(await approvals(), []);
});

test('an answer for always is a rule of the policy, which the library sees too', { skip }, async () => {
  const policies = new NetworkPolicies({ apiUrl: server.url, apiKey: server.key });
  const known = (await policies.approvals({ sandbox: 'box' })).find(({ port }) => port === 80);
  assert.equal(known?.scope, 'session');
  await policies.answer(known.id, { action: 'allow', scope: 'always' });
  const { policy, usedBy } = await policies.get('web');
  assert.deepEqual([policy.rules, usedBy], [[ruleFor(internet.address)], [id]]);
  assert.equal(await get(), hello());
  await policies.change('web', { otherwise: 'ask' });
  assert.equal(JSON.parse(await get())['code'], 'approval_needed', 'the rule was the answer');

  assert.deepEqual(
    await policies.test('web', { host: 'a.example', port: 443 }).then(({ allowed, code }) => [allowed, code]),
    [false, 'approval_needed'],
  );
  await policies.create({ name: 'shut', policy: {} });
  assert.deepEqual(
    (await policies.list()).map(({ name }) => name),
    ['shut', 'web'],
  );
  await policies.remove('shut');
  await server.ok('DELETE', `/vms/${id}?force=true`);
  await policies.remove('web');
  assert.deepEqual(await policies.approvals(), [], 'questions go with their sandbox');
});
