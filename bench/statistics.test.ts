import assert from 'node:assert/strict';
import { test } from 'node:test';
import { summarise } from './statistics.ts';

test('the median and the tail of repeated measurements', () => {
  assert.deepEqual(summarise([3, 1, 2]), { n: 3, p50: 2, p99: 2.98, min: 1, max: 3 });
  assert.equal(summarise([4, 1, 2, 3]).p50, 2.5);
});
