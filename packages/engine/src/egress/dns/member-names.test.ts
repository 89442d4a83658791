import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memberNames } from './member-names.ts';

const backend = (address: string) => ({ network: 'n1', name: 'backend', address });

test('members find each other by each of their names, and nobody else does', () => {
  const names = memberNames();
  names.set('a', { memberships: [backend('10.1.0.2')], hostnames: ['a', 'Web'] });
  names.set('b', { memberships: [backend('10.1.0.3')], hostnames: ['b', 'db.main'] });
  // Another network of that name, of another owner.
  names.set('c', { memberships: [{ network: 'n2', name: 'backend', address: '10.2.0.2' }], hostnames: ['c'] });
  assert.equal(names.find('a', 'db.main.backend'), '10.1.0.3');
  assert.equal(names.find('b', 'web.backend'), '10.1.0.2');
  assert.equal(names.find('b', 'b.backend'), '10.1.0.3');
  assert.equal(names.find('a', 'c.backend'), null);
  assert.equal(names.find('c', 'web.backend'), null);
  assert.equal(names.find('a', 'backend'), undefined);
  assert.equal(names.find('a', 'web.backend.example.com'), undefined);
  assert.equal(names.find('stranger', 'web.backend'), undefined);
});

test('a member that has gone, or has another name, is not found by the old one', () => {
  const names = memberNames();
  names.set('a', { memberships: [backend('10.1.0.2')], hostnames: ['old'] });
  names.set('b', { memberships: [backend('10.1.0.3')], hostnames: [] });
  names.set('a', { memberships: [backend('10.1.0.2')], hostnames: ['new'] });
  assert.deepEqual([names.find('b', 'old.backend'), names.find('b', 'new.backend')], [null, '10.1.0.2']);
  names.forget('a');
  assert.equal(names.find('b', 'new.backend'), null);
});
