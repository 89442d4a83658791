import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openSqliteStore } from './sqlite.ts';

const folder = mkdtempSync(join(tmpdir(), 'nova-networks-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let opened = 0;
const storeOf = () => openSqliteStore(join(folder, `${(opened += 1)}.sqlite`), join(folder, 'reserve'));

const host = { owner: null, team: null } as const;
const plain = { isolation: 'minimal', bridge: 'br0', createdAtMs: 0, ...host } as const;

test('names are unique among those of one owner, and subnets among all', () => {
  using store = storeOf();
  assert.equal(store.addNetwork({ ...plain, id: 'n1', name: 'a', subnet: null }).subnet, '10.128.0.0/24');
  assert.throws(() => store.addNetwork({ ...plain, id: 'n2', name: 'a', subnet: null }), { code: 'network_exists' });
  const anns = { ...plain, owner: 'ann', team: 'crew' };
  assert.throws(() => store.addNetwork({ ...anns, id: 'n3', name: 'a', subnet: '10.128.0.0/16' }), {
    code: 'conflict',
  });
  assert.equal(store.addNetwork({ ...anns, id: 'n4', name: 'a', subnet: null }).subnet, '10.128.1.0/24');
  assert.equal(store.findNetwork('a', { of: 'owner', owner: 'ann' })?.id, 'n4');
  assert.equal(store.findNetwork('a', { of: 'owner', owner: 'bob' }), null);
  assert.equal(store.changeNetwork('n1', { isolation: 'strict' })?.isolation, 'strict');
  assert.equal(store.changeNetwork('gone', { isolation: 'strict' }), null);
});

test('members have an address each, which is reused as late as possible; a full network takes no more', () => {
  using store = storeOf();
  store.addNetwork({ ...plain, id: 'n1', name: 'tiny', subnet: '10.9.0.0/29' });
  store.addNetwork({ ...plain, id: 'n2', name: 'other', subnet: null });
  for (const box of ['a', 'b', 'c', 'd']) store.joinNetworks(box, ['n1']);
  assert.deepEqual(
    store.membersOf('n1').map(({ sandboxId, address }) => [sandboxId, address]),
    [
      ['a', '10.9.0.2'],
      ['b', '10.9.0.3'],
      ['c', '10.9.0.4'],
      ['d', '10.9.0.5'],
    ],
  );
  // Whoever joins again keeps its address, and gets one in what is new.
  store.joinNetworks('a', ['n1', 'n2']);
  assert.deepEqual(
    store.membershipsOf('a').map(({ network, address }) => [network.name, address]),
    [
      ['tiny', '10.9.0.2'],
      ['other', '10.128.0.2'],
    ],
  );
  store.removeSandbox('a');
  store.joinNetworks('e', ['n1']);
  assert.equal(store.membershipsOf('e')[0]?.address, '10.9.0.6');
  store.joinNetworks('g', ['n1']);
  // All or nothing.
  assert.throws(() => store.joinNetworks('f', ['n2', 'n1']), { code: 'host_resource_exhausted' });
  assert.deepEqual(store.membershipsOf('f'), []);
  assert.throws(() => store.joinNetworks('f', ['gone']), { code: 'network_not_found' });
});

test('a network with members stays', () => {
  using store = storeOf();
  store.addNetwork({ ...plain, id: 'n1', name: 'a', subnet: null });
  store.joinNetworks('box', ['n1']);
  assert.deepEqual(
    store.removeNetwork('n1').map(({ sandboxId }) => sandboxId),
    ['box'],
  );
  store.removeSandbox('box');
  assert.deepEqual(store.removeNetwork('n1'), []);
  assert.deepEqual(store.listNetworks(), []);
});
