import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copiesFinding } from './examine-copies.ts';

test('a file system without reflinks is named, with what has them', () => {
  const without = copiesFinding({ byReference: false, fileSystem: 'ext4' }, '/state');
  assert.deepEqual([without.state, without.section], ['note', 'better']);
  assert.match(without.detail, /^\/state lies on ext4, which shares no blocks/);
  assert.match(without.remedy ?? '', /XFS .* or btrfs/);
  const withThem = copiesFinding({ byReference: true, fileSystem: null }, '/state');
  assert.deepEqual([withThem.state, withThem.remedy], ['fine', undefined]);
  assert.match(withThem.detail, /^the file system of \/state shares blocks/);
});
