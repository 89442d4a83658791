import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parse, sandboxConfigSchema } from '@novasandbox/protocol';
import type { Store } from '../ports/store.ts';
import { ownIdentity } from '../vmm/process-identity.ts';
import { openSqliteStore } from './sqlite.ts';

const folder = mkdtempSync(join(tmpdir(), 'nova-volumes-'));
after(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
const open = (): Store => openSqliteStore(join(folder, `${(count += 1)}.sqlite`), join(folder, 'reserve'));

const volume = (id: string, name: string, owner: string | null = null) => ({
  ...{ id, name, owner, team: owner, sizeMb: 64, createdAtMs: 0, maker: null },
});

function addSandbox(store: Store, id: string): void {
  store.addSandbox({
    ...{ id, name: null, owner: null, team: null, hypervisor: 'qemu', memoryMb: 1, vcpus: 1, diskSizeMb: 1 },
    config: parse(sandboxConfigSchema, {}, 'config'),
    createdAtMs: 0,
    maker: ownIdentity(),
  });
}

test('names are unique among the volumes of one owner, whose own come first', () => {
  using store = open();
  store.addVolume(volume('aaaa1', 'cache'));
  store.addVolume(volume('bbbb1', 'cache', 'ann'));
  store.addVolume(volume('bbbb2', 'other', 'bob'));
  assert.throws(() => store.addVolume(volume('cccc1', 'cache', 'ann')), { code: 'volume_exists' });
  assert.equal(store.findVolume('cache')?.id, 'aaaa1');
  assert.equal(store.findVolume('cache', { of: 'owner', owner: 'ann' })?.id, 'bbbb1');
  assert.equal(store.findVolume('cache', { of: 'owner', owner: 'bob' }), null);
  assert.equal(store.findVolume('aaaa')?.id, 'aaaa1');
  assert.equal(store.findVolume('bbbb'), null, 'two begin so');
  assert.throws(() => store.findVolume('cache', { of: 'all', owner: 'bob' }), { code: 'conflict' });
});

test('one writes or several read, until the store records the end of the sandbox', () => {
  using store = open();
  for (const id of ['one', 'two', 'three']) addSandbox(store, id);
  store.addVolume(volume('v', 'data'));
  store.addVolume(volume('w', 'more'));
  const [write, read] = [false, true].map((readOnly) => ({ volumeId: 'v', readOnly })) as [
    { volumeId: string; readOnly: boolean },
    { volumeId: string; readOnly: boolean },
  ];
  assert.deepEqual(store.takeVolumes('one', [write]), []);
  assert.deepEqual(store.takeVolumes('one', [write]), [], 'its own use is not in its way');
  const inTheWay = [{ volumeId: 'v', sandboxId: 'one', position: 0, readOnly: false, held: true }];
  for (const wanted of [write, read]) assert.deepEqual(store.takeVolumes('two', [wanted]), inTheWay);
  // Where it does not get all, it gets none.
  assert.deepEqual(store.takeVolumes('two', [{ volumeId: 'w', readOnly: false }, read]), inTheWay);
  assert.deepEqual(store.volumesOf('two'), []);

  store.changeSandbox('one', ['creating'], { state: 'stopped' });
  assert.deepEqual(store.volumesOf('one'), [{ ...inTheWay[0], held: false }]);
  for (const id of ['two', 'three']) assert.deepEqual(store.takeVolumes(id, [read]), []);
  assert.equal(store.takeVolumes('one', [write]).length, 2);
  store.removeSandbox('two');
  store.removeSandbox('three');
  assert.deepEqual(store.takeVolumes('one', [write]), []);
});

test('a volume that is being removed is given to nobody', () => {
  using store = open();
  for (const id of ['one', 'two']) addSandbox(store, id);
  store.addVolume(volume('v', 'data'));
  store.takeVolumes('one', [{ volumeId: 'v', readOnly: true }]);
  assert.equal(store.beginVolumeRemoval('v', ({ held }) => held).length, 1);
  assert.equal(store.findVolume('v')?.maker, null);
  store.changeSandbox('one', ['creating'], { state: 'stopped' });
  assert.equal(store.beginVolumeRemoval('v', () => true).length, 1);
  assert.deepEqual(
    store.beginVolumeRemoval('v', ({ held }) => held),
    [],
  );
  assert.deepEqual(store.findVolume('v')?.maker, ownIdentity());
  assert.throws(() => store.takeVolumes('two', [{ volumeId: 'v', readOnly: true }]), { code: 'volume_not_found' });
  store.removeVolume('v');
  assert.deepEqual([store.listVolumes(), store.volumesOf('one')], [[], []]);
});
