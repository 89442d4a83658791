import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { addressOf, linkOf, namespaceOf, numberOfLink, numberOfNamespace, slotCount, slotOf } from './addressing.ts';
import { whyNoSlots } from './probe.ts';
import { addForwards, hostRules, removeForwards, removeHostRules, slotRules } from './rules.ts';

const check = (rules: string): void => {
  const { status, stderr } = spawnSync('nft', ['-c', '-f', '-'], { input: rules, encoding: 'utf8' });
  assert.equal(status, 0, `${stderr}\n${rules}`);
};
const some = { resolver: '192.0.2.53', forwardingInterfaces: ['eth0', 'wlan0.5'] };

test('nft takes the rules', { skip: whyNoSlots() ?? false }, () => {
  const forwards = [
    { hostPort: 8080, guestPort: 80 },
    { hostPort: 8081, guestPort: 81 },
  ];
  check(hostRules(some) + addForwards(7, forwards) + removeForwards(7, forwards));
  check(hostRules({ resolver: null, forwardingInterfaces: [] }));
  check(slotRules(slotCount));
  check(slotRules(null));
  check(removeHostRules);
  check(removeForwards(7, forwards));
});

test('the rules of the host are the same for any number of slots, and name none', () => {
  const rules = hostRules(some);
  assert.ok(!/nv\d|198\.18\.1[0-9]{2}\.\d+[^/.\d]/.test(rules.replaceAll('198.18.128.0/17', '')));
  assert.match(rules, /dnat ip to 192\.0\.2\.53$/m);
  assert.ok(!hostRules({ ...some, resolver: null }).includes('dnat ip to 192'));
});

test('without forwards nothing is said of them', () => {
  assert.equal(addForwards(1, []), '');
  assert.equal(removeForwards(1, []), '');
});

test('every slot has an address and names of its own, and all look the same from inside', () => {
  const numbers = Array.from({ length: slotCount }, (_, index) => index + 1);
  const addresses = new Set(numbers.map(addressOf));
  assert.equal(addresses.size, slotCount);
  for (const address of addresses) {
    const [, , third = 0, fourth = 0] = address.split('.').map(Number);
    assert.ok(address.startsWith('198.18.') && third >= 128 && third <= 255 && fourth <= 255, address);
  }
  // Names of interfaces are limited to 15 bytes.
  assert.ok(linkOf(slotCount).length <= 15);
  assert.equal(numberOfNamespace(namespaceOf(slotCount)), slotCount);
  assert.equal(numberOfLink(linkOf(slotCount)), slotCount);
  for (const other of ['nova-', 'nova-0', 'nova-01', 'nova-x', 'other-1', 'nova-1x'])
    assert.equal(numberOfNamespace(other), null);
  assert.deepEqual(slotOf(1).guest, slotOf(2).guest);
  assert.deepEqual({ ...slotOf(1).machine, namespace: '' }, { ...slotOf(2).machine, namespace: '' });
});
