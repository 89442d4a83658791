import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAtLeast } from '../../vmm/verdict.ts';
import { changes, dialectOf } from './dialect.ts';
import { qemuVmm } from './vmm.ts';

test('a version is spoken to in the options that it understands', () => {
  assert.deepEqual(dialectOf('7.2.22').monitor, ['-mon', 'chardev=qmp,mode=control']);
  assert.deepEqual(dialectOf('7.2.22').state(3), { options: [], uri: 'fd:3' });
  assert.equal(dialectOf('8.1.5').readOnlyMemory, false);
  assert.equal(dialectOf('8.2.2').readOnlyMemory, true);
  assert.match(dialectOf('10.0.13').state(3).uri, /^file:/);
  assert.equal(dialectOf('11.0.9').monitor[0], '-mon');
  assert.equal(dialectOf('11.1.3').monitor[0], '-object');
  assert.deepEqual(dialectOf('12.0.0').monitor, dialectOf('11.1.3').monitor);
});

test('changes are in the order of their versions, none at or below the oldest version that is supported, and say why', () => {
  changes.forEach(({ from, reason }, index) => {
    assert.ok(isAtLeast(from, changes[index - 1]?.from ?? qemuVmm.versions.floor), from);
    assert.notEqual(from, qemuVmm.versions.floor);
    assert.match(reason, /^[A-Z].*\.$/);
  });
});
