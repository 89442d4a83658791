import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rangeOf } from './range.ts';

test('ranges of a file', () => {
  assert.deepEqual(rangeOf('bytes=0-4', 10), { first: 0, last: 4 });
  assert.deepEqual(rangeOf('bytes=5-', 10), { first: 5, last: 9 });
  assert.deepEqual(rangeOf('bytes=-3', 10), { first: 7, last: 9 });
  assert.deepEqual(rangeOf('bytes=-30', 10), { first: 0, last: 9 });
  assert.deepEqual(rangeOf('bytes=8-99', 10), { first: 8, last: 9 });
  for (const header of ['bytes=10-', 'bytes=-0', 'bytes=0-'])
    assert.equal(rangeOf(header, header === 'bytes=0-' ? 0 : 10), 'unsatisfiable', header);
  for (const header of [
    undefined,
    '',
    'bytes=',
    'bytes=-',
    'bytes=5-2',
    'bytes=0-1,3-4',
    'lines=0-1',
    'bytes=a-b',
    'bytes=1e3-',
  ])
    assert.equal(rangeOf(header, 10), null, header);
});
