import assert from 'node:assert/strict';
import { test } from 'node:test';
import { volumesOfChildren, type ChildVolumePolicies } from './volumes-of-children.ts';

const volumes = [
  { name: 'data', path: '/data', readOnly: false },
  { name: 'models', path: '/models', readOnly: true },
  { name: 'cache', path: '/cache', readOnly: false },
];
const gets = (policies?: ChildVolumePolicies) => volumesOfChildren(volumes, policies).map((each) => each.gets);

test('volumes that are only read are shared; for others a policy has to be given', () => {
  assert.throws(() => gets(), {
    code: 'volume_in_use',
    message: /writes to the volume data/,
    details: { volume: 'data' },
  });
  assert.throws(() => gets({ data: 'copy' }), { code: 'volume_in_use', details: { volume: 'cache' } });
  assert.throws(() => gets({ data: 'copy', cache: 'refuse' }), { code: 'volume_in_use' });
  assert.deepEqual(volumesOfChildren(volumes.slice(1, 2)), [{ mount: volumes[1], gets: 'share' }]);
  assert.deepEqual(volumesOfChildren([]), []);
});

test('one policy is for all, or each volume has its own', () => {
  for (const policy of ['copy', 'fresh', 'share-read-only'] as const)
    assert.deepEqual(gets(policy), [policy, 'share', policy]);
  assert.deepEqual(gets({ data: 'fresh', cache: 'share-read-only' }), ['fresh', 'share', 'share-read-only']);
  // A policy for a volume that is only read changes nothing.
  assert.deepEqual(gets({ data: 'copy', cache: 'copy', models: 'refuse' }), ['copy', 'share', 'copy']);
});

test('a policy for a volume that the parent does not have is a mistake', () => {
  assert.throws(() => gets({ dta: 'copy' }), { code: 'invalid_argument', message: /no volume "dta"/ });
});
