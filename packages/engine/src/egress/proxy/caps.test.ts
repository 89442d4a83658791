import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyLimitsSchema } from '@novasandbox/protocol';
import { capsOf } from './caps.ts';

const limits = (given: Parameters<typeof policyLimitsSchema.parse>[0]) => policyLimitsSchema.parse(given);

test('connections are limited at once and in a second', (t) => {
  const clock = t.mock.method(performance, 'now', () => 0);
  const caps = capsOf(limits({ connections: 2, newConnectionsPerSecond: 3 }));
  assert.deepEqual([caps.enter(), caps.enter(), caps.enter()], [true, true, false]);
  caps.leave();
  assert.deepEqual([caps.enter(), caps.enter()], [true, false]);
  caps.leave();
  assert.equal(caps.enter(), false, 'three have come in this second');
  clock.mock.mockImplementation(() => 400);
  assert.equal(caps.enter(), true);
});

test('bytes wait for their time, and end with their sum', (t) => {
  const clock = t.mock.method(performance, 'now', () => 0);
  const caps = capsOf(limits({ bytesPerSecond: 10_000, bytes: 50_000 }));
  assert.equal(caps.count(1000), 0);
  assert.equal(caps.count(20_000), 2000);
  clock.mock.mockImplementation(() => 2000);
  assert.equal(caps.count(0), 0);
  assert.equal(caps.isUsedUp(), false);
  assert.equal(caps.count(40_000), null);
  assert.equal(caps.enter(), false);
  caps.change(limits({}));
  assert.equal(caps.enter(), true);
});
