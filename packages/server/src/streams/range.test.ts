import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { parseRange } from './range.ts';

test('ranges of bytes, and what is ignored', () => {
  assert.deepEqual(parseRange('bytes=0-4', 10), { start: 0, length: 5, size: 10 });
  assert.deepEqual(parseRange('bytes=5-', 10), { start: 5, length: 5, size: 10 });
  assert.deepEqual(parseRange('bytes=-3', 10), { start: 7, length: 3, size: 10 });
  assert.deepEqual(parseRange('bytes=-30', 10), { start: 0, length: 10, size: 10 });
  assert.deepEqual(parseRange('bytes=8-99', 10), { start: 8, length: 2, size: 10 });
  for (const ignored of ['bytes=-', 'bytes=4-2', 'bytes=0-1,3-4', 'lines=0-1', 'bytes=a-b', '']) {
    assert.equal(parseRange(ignored, 10), null, ignored);
  }
});

test('a range beyond the file is refused', () => {
  for (const beyond of ['bytes=10-', 'bytes=-0']) {
    assert.throws(
      () => parseRange(beyond, 10),
      (error) => isNovaError(error, 'range_not_satisfiable'),
    );
  }
  assert.throws(
    () => parseRange('bytes=0-', 0),
    (error) => isNovaError(error, 'range_not_satisfiable'),
  );
});
