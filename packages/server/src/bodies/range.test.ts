import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { contentRange, parseRange } from './range.ts';

test('ranges of bytes, and what is ignored', () => {
  assert.deepEqual(parseRange('bytes=0-4', 10), { start: 0, length: 5, size: 10 });
  assert.deepEqual(parseRange('bytes=5-', 10), { start: 5, length: 5, size: 10 });
  assert.deepEqual(parseRange('bytes=-3', 10), { start: 7, length: 3, size: 10 });
  assert.deepEqual(parseRange('bytes=-30', 10), { start: 0, length: 10, size: 10 });
  assert.deepEqual(parseRange('bytes=8-99', 10), { start: 8, length: 2, size: 10 });
  for (const ignored of [
    undefined,
    '',
    'bytes=',
    'bytes=-',
    'bytes=4-2',
    'bytes=0-1,3-4',
    'lines=0-1',
    'bytes=a-b',
    'bytes=1e3-',
  ])
    assert.equal(parseRange(ignored, 10), null, ignored);
});

test('a range beyond the file is refused', () => {
  for (const beyond of ['bytes=10-', 'bytes=-0']) {
    assert.throws(
      () => parseRange(beyond, 10),
      (error) => isNovaError(error, 'range_not_satisfiable') && error.details['size'] === 10,
    );
  }
  for (const ofNothing of ['bytes=0-', 'bytes=-3'])
    assert.throws(
      () => parseRange(ofNothing, 0),
      (error) => isNovaError(error, 'range_not_satisfiable'),
    );
});

test('a part is told with both ends inclusive', () => {
  assert.equal(contentRange({ start: 5, length: 5, size: 10 }), 'bytes 5-9/10');
});
