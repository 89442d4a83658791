import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { createImageSource, createLauncher, openNetwork, openVmmUsers, type Network } from '@novasandbox/engine';
import { builtInPolicies } from '@novasandbox/protocol';
import { openEgress } from '../../packages/engine/src/egress/index.ts';
import type { Egress } from '../../packages/engine/src/ports/egress.ts';
import { egressProcesses } from '../support/egress-process.ts';
import { eventually } from '../support/eventually.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { whyNoSlots } from '../support/slots.ts';
import { testHome, type TestHome } from '../support/test-home.ts';

/** The egress process of a state folder: how it is started, found, and started again. */
const skip = await whyNoSlots();
let home: TestHome;
let network: Network;
let slot: number;

const users = () => openVmmUsers(home.layout);
const listener = () => createImageSource(home.layout).listener({});
const open = (): Egress => openEgress({ layout: home.layout, users: users(), listener });
const alone = { names: [], answers: [], memberships: [], hostnames: [] };
const none = { policy: builtInPolicies.none, ...alone };

before(async () => {
  if (skip !== false) return;
  home = await testHome();
  network = openNetwork(home.layout, createLauncher(), null, open());
  ({ number: slot } = await network.take('box', { forwards: [] }));
});
after(async () => {
  if (skip !== false) return;
  await network.giveBack('box');
  await network[Symbol.asyncDispose]();
  for (const pid of egressProcesses(home.layout)) process.kill(pid, 'SIGKILL');
  await eventually('the process has ended', () => egressProcesses(home.layout).length === 0);
  await assertNoLeaks(home.layout);
  await home[Symbol.asyncDispose]();
});

test('asking starts nothing', { skip }, async () => {
  await using egress = open();
  assert.deepEqual(await egress.served(), []);
  assert.deepEqual(await egress.names('box'), []);
  await egress.forget('box');
  for await (const _ of egress.decisions('box', { follow: true })) assert.fail('there is no decision');
  assert.deepEqual(egressProcesses(home.layout), []);
});

test('a program that does not run is an error, and leaves no process', { skip }, async () => {
  await using egress = openEgress({
    layout: home.layout,
    users: users(),
    listener: () => Promise.resolve({ program: '/nonexistent/nova-listen' }),
  });
  await assert.rejects(egress.serve('box', { slot, ...none }), { code: 'network_failed', message: /does not run/ });
  // It ends by itself once it has told.
  await eventually('no process is left', () => egressProcesses(home.layout).length === 0);
});

test('two that serve at once share one process, which has a user of its own and no privileges', { skip }, async () => {
  const [one, other] = [open(), open()];
  await Promise.all([one.serve('box', { slot, ...none }), other.serve('box', { slot, ...none })]);
  const pids = egressProcesses(home.layout);
  assert.equal(pids.length, 1);
  const status = readFileSync(`/proc/${pids[0]}/status`, 'utf8');
  assert.match(status, /CapEff:\s+0+\n/);
  assert.match(status, /Groups:\s*\n/);
  const uid = Number(/Uid:\s+(\d+)/.exec(status)?.[1]);
  assert.ok(uid > 0, String(uid));
  assert.equal(statSync(home.layout.egress.socket).mode & 0o777, 0o600);
  assert.deepEqual(await other.served(), ['box']);
});

test('a slot that is not there is an error, and the others are served on', { skip }, async () => {
  await using egress = open();
  await assert.rejects(egress.serve('other', { slot: 8192, ...none }), { code: 'network_failed' });
  assert.deepEqual(await egress.served(), ['box']);
});

test('a policy that cannot be enforced is refused, and the one before stays', { skip }, async () => {
  await using egress = open();
  const policy = { ...none.policy, rules: [{ action: 'allow', host: 'a.test', protocol: 'udp' }] } as const;
  await assert.rejects(egress.serve('box', { slot, ...alone, policy: { ...policy, rules: [...policy.rules] } }), {
    code: 'not_implemented',
  });
  assert.deepEqual(await egress.served(), ['box']);
});

test('after kill -9 nobody is served, and the next one who serves starts it again', { skip }, async () => {
  await using egress = open();
  const [pid = 0] = egressProcesses(home.layout);
  process.kill(pid, 'SIGKILL');
  await eventually('it has ended', () => egressProcesses(home.layout).length === 0);
  assert.deepEqual(await egress.served(), []);
  await egress.serve('box', { slot, ...none });
  assert.deepEqual(await egress.served(), ['box']);
  assert.notEqual(egressProcesses(home.layout)[0], pid);
  await egress.forget('box');
  assert.deepEqual(await egress.served(), []);
});
