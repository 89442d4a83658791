import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kvmRemedy, type KvmAccess } from './kvm-remedy.ts';

test('joining the group of /dev/kvm is told only where it helps', () => {
  const joins: KvmAccess = {
    uid: 1000,
    user: 'ada',
    groups: [1000],
    mode: 0o20660,
    gid: 104,
    group: { name: 'virt', members: ['bob'] },
  };
  assert.match(kvmRemedy(joins), /usermod -aG virt /);
  const others: readonly (readonly [Partial<KvmAccess>, RegExp])[] = [
    [{ uid: 0 }, /--device/],
    [{ groups: [1000, 104] }, /--device/],
    [{ mode: 0o20600 }, /setfacl/],
    [{ gid: 0, group: { name: 'root', members: [] } }, /setfacl/],
    [{ group: null }, /setfacl/],
    [{ group: { name: 'virt', members: ['ada'] } }, /^Log in again/],
  ];
  for (const [differs, expected] of others) {
    const remedy = kvmRemedy({ ...joins, ...differs });
    assert.match(remedy, expected);
    assert.doesNotMatch(remedy, /usermod/);
  }
});
