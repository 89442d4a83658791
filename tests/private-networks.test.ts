import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createLauncher, openNetwork, type Network } from '@novasandbox/engine';
import { builtInPolicies } from '@novasandbox/protocol';
import { hubOf, hubsOnHost } from '../packages/engine/src/network/hubs.ts';
import { eventually } from './support/eventually.ts';
import { assertNoLeaks, findLeaks } from './support/leaks.ts';
import { makeMember, memberOf, membership, pingsBy, type Member } from './support/private-network.ts';
import { runOnHost } from './support/run-on-host.ts';
import { whyNoSlots } from './support/slots.ts';
import { testHome, type TestHome } from './support/test-home.ts';

const skip = await whyNoSlots();
const onHost = async (program: string, ...words: string[]): Promise<string> =>
  (await promisify(execFile)(program, words)).stdout;
const ids = { a: '10.213.7.2', b: '10.213.7.3', other: '10.213.7.4' } as const;
const [inA, inB, inOther] = [
  membership(ids.a),
  membership(ids.b),
  // Of the same subnet, in another network of the same name: that of another owner.
  { ...membership(ids.other), network: 'other000000000000000' },
];

let home: TestHome;
let network: Network;
let members: AsyncDisposableStack;
let a: Member;
let b: Member;
let other: Member;

before(async () => {
  if (skip !== false) return;
  home = await testHome();
  network = openNetwork(home.layout, createLauncher());
  members = new AsyncDisposableStack();
  a = members.use(await makeMember(network, 'a', memberOf('a', inA)));
  b = members.use(await makeMember(network, 'b', memberOf('b', inB)));
  other = members.use(await makeMember(network, 'other', memberOf('other', inOther)));
});
after(async () => {
  if (skip !== false) return;
  await members?.disposeAsync();
  await network?.[Symbol.asyncDispose]();
  await assertNoLeaks(home.layout);
  await home[Symbol.asyncDispose]();
});

test('members reach each other by TCP, UDP and ping, and see the address of who asks', { skip }, async () => {
  assert.equal(await a.tcp(ids.b), ids.a);
  assert.equal(await b.tcp(ids.a), ids.b);
  assert.equal(await a.udp(ids.b), ids.a);
  assert.ok(await b.pings(ids.a));
  // Its own address leads to itself.
  assert.equal(await a.tcp(ids.a), '172.16.255.1');
});

test('a member is known by its name and its id, with the name of the network, to members alone', { skip }, async () => {
  assert.equal(await a.resolve('b.backend'), ids.b);
  assert.equal(await a.resolve('BID.backend.'), ids.b);
  assert.equal(await a.resolve('a.backend'), ids.a);
  assert.equal(await a.resolve('other.backend'), 'ENOTFOUND');
  assert.equal(await other.resolve('b.backend'), 'ENOTFOUND');
  assert.equal(await other.resolve('other.backend'), ids.other);
});

test('nobody else reaches a member: neither another network of the same subnet, nor the host', { skip }, async () => {
  assert.match(await other.tcp(ids.b), /nothing|EHOSTUNREACH/);
  assert.match(await a.tcp(ids.other), /nothing|EHOSTUNREACH/);
  assert.equal(await other.pings(ids.a), false);
  assert.equal(await pingsBy(onHost, ids.a), false);
  assert.ok(await pingsBy(onHost, '127.0.0.1'));
  // A member has nothing of another but what the network lets it.
  assert.match(await a.tcp('172.16.255.1'), /nothing|ECONNREFUSED|EHOSTUNREACH/);
});

test('a policy does not concern the network, and the network opens nothing else', { skip }, async () => {
  await network.govern('a', { ...memberOf('a', inA), policy: builtInPolicies.none });
  assert.equal(await a.tcp(ids.b), ids.a);
  assert.equal(await b.udp(ids.a), ids.b);
  assert.equal(await a.resolve('b.backend'), ids.b);
  assert.equal(await a.resolve('example.com'), 'ENOTFOUND');
  assert.equal(await a.tcp('192.0.2.1'), 'ECONNRESET');
  // An address beside the subnet is one of a private network, as any other.
  assert.equal(await a.tcp('10.213.8.2'), 'ECONNRESET');
  await network.govern('a', memberOf('a', inA));
  assert.equal(await a.tcp(ids.b), ids.a);
});

test('a member cannot send as another: not from its guest, and not from its slot', { skip }, async () => {
  const forged = '10.213.7.99';
  await a.guest.run('ip', 'addr', 'add', `${forged}/32`, 'dev', 'eth0');
  assert.equal(await a.pings(ids.b, forged), false);
  assert.ok(await a.pings(ids.b));
  await a.guest.run('ip', 'addr', 'del', `${forged}/32`, 'dev', 'eth0');
  // Whoever were root in the slot is stopped by the network itself, by address, by ARP and by MAC.
  const inSlot = `ip netns exec nova-${a.slot}`;
  const seen = (): string => runOnHost(`ip -n nova-${b.slot} neigh show dev net0`);
  runOnHost(
    `ip -n nova-${a.slot} addr add ${forged}/24 dev net0; ${['own', 'here'].map((chain) => `${inSlot} nft add chain ip slot ${chain} '{ policy accept; }'`).join(';')}`,
  );
  const fromSlot = (from: string): Promise<boolean> =>
    pingsBy((...words) => onHost('/sbin/ip', 'netns', 'exec', `nova-${a.slot}`, ...words), ids.b, from);
  assert.deepEqual([await fromSlot(ids.a), await fromSlot(forged)], [true, false]);
  assert.doesNotMatch(seen(), new RegExp(forged));
  runOnHost(`ip -n nova-${a.slot} addr del ${forged}/24 dev net0`);
  assert.equal(await a.tcp(ids.b), ids.a);
  const mac = runOnHost(`${inSlot} cat /sys/class/net/net0/address`).trim();
  runOnHost(`ip -n nova-${a.slot} link set net0 address 02:00:00:00:00:09`);
  assert.match(await a.tcp(ids.b), /nothing|EHOSTUNREACH/);
  runOnHost(`ip -n nova-${a.slot} link set net0 address ${mac}`);
  assert.equal(await a.tcp(ids.b), ids.a);
});

test('the level of isolation changes what passes, at once and in both directions', { skip }, async () => {
  await network.isolate(inA.network, 'moderate');
  assert.deepEqual([await a.pings(ids.b), await b.pings(ids.a)], [true, true]);
  assert.deepEqual([await a.tcp(ids.b), await b.udp(ids.a)], ['nothing', 'nothing']);
  await network.isolate(inA.network, 'strict');
  assert.deepEqual([await a.pings(ids.b), await b.pings(ids.a)], [false, false]);
  assert.equal(await a.resolve('b.backend'), ids.b);
  await network.isolate(inA.network, 'minimal');
  assert.equal(await a.tcp(ids.b), ids.a);
  // One without members is nothing on the host.
  await network.isolate('nobody00000000000000', 'strict');
  assert.ok(!hubsOnHost().includes(hubOf(home.home, 'nobody00000000000000')));
});

test('the last member takes the network along; what was half made or half removed is mended', { skip }, async () => {
  const joined = { ...membership('10.213.9.2', 'minimal', 'short'), subnet: '10.213.9.0/24' };
  const second = { ...joined, address: '10.213.9.3' };
  const hub = hubOf(home.home, joined.network);
  {
    await using one = await makeMember(network, 'one', memberOf('one', joined));
    await using two = await makeMember(network, 'two', memberOf('two', second));
    assert.equal(await one.tcp(second.address), joined.address);
    // Somebody has cut the link. To serve the sandbox again makes it whole.
    runOnHost(`ip -n nova-${two.slot} link del net0`);
    assert.match(await one.tcp(second.address), /nothing|EHOSTUNREACH/);
    await network.govern('two', memberOf('two', second));
    assert.equal(await one.tcp(second.address), joined.address);
    assert.ok(hubsOnHost().includes(hub));
  }
  assert.ok(!hubsOnHost().includes(hub));
  // A maker that was killed leaves a namespace without members, or a file that is none yet.
  runOnHost(`ip netns add ${hub}`);
  await network.reclaim();
  assert.ok(!hubsOnHost().includes(hub));
  runOnHost(`touch /run/netns/${hub}`);
  await using again = await makeMember(network, 'again', memberOf('again', joined));
  assert.equal(await again.resolve('again.short'), joined.address);
});

test(
  'whoever makes and leaves networks may be killed at any moment: the next one clears up',
  { skip, timeout: 180_000 },
  async () => {
    await using killed = await testHome();
    const churn = join(import.meta.dirname, '../packages/engine/src/network/testing/churn.ts');
    for (let round = 0; round < 8; round += 1) {
      const words = ['--disable-warning=ExperimentalWarning', churn, killed.home, '23903', 'churn000000000000000'];
      const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'], env: killed.env });
      await once(child.stdout, 'data');
      await delay(round * 29);
      child.kill('SIGKILL');
      await once(child, 'exit');
      // A program that ends with its maker may still be in the slot for a moment.
      await eventually('all is cleared up', async () => {
        await network.reclaim();
        return (await findLeaks(killed.layout)).length === 0;
      });
      // The members of other networks have not noticed.
      assert.equal(await a.tcp(ids.b), ids.a);
    }
  },
);
