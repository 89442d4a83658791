import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHealth } from './health.ts';

test('what fails is tried again after ever longer pauses, ten minutes at most', () => {
  const health = createHealth();
  const pauses = Array.from({ length: 40 }, () => {
    health.failed(0, 'broken');
    return health.retryAtMs;
  });
  assert.deepEqual(pauses.slice(0, 4), [5000, 10_000, 20_000, 40_000]);
  assert.equal(pauses.at(-1), 600_000);
  assert.deepEqual([health.failures, health.problem], [40, 'broken']);
});

test('a clone that was handed out makes up for all failures', () => {
  const health = createHealth();
  health.failed(0, 'broken');
  health.handedOut();
  assert.deepEqual([health.failures, health.problem, health.retryAtMs], [0, null, null]);
});
