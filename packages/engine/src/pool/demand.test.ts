import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDemand, keptAfterMs } from './demand.ts';

test('without demand as many are wanted as are kept ready anyway', () => {
  assert.equal(createDemand().wanted(0, 0), 0);
  assert.equal(createDemand().wanted(0, 2), 2);
});

test('one create makes one clone wanted, until its shape has not been asked for in a while', () => {
  const demand = createDemand();
  demand.asked(1000);
  assert.equal(demand.wanted(1000, 0), 1);
  assert.equal(demand.wanted(1000 + keptAfterMs, 0), 1);
  assert.equal(demand.wanted(1001 + keptAfterMs, 0), 0);
});

test('as many are wanted as are asked for while one is made', () => {
  const demand = createDemand();
  for (let time = 0; time <= 600_000; time += 250) demand.asked(time);
  // Four a second, and a refill takes one: one is being made while four are asked for.
  const atOneSecond = demand.wanted(600_000, 0);
  assert.ok(atOneSecond >= 4 && atOneSecond <= 5, String(atOneSecond));
  for (let refill = 0; refill < 50; refill++) demand.refilled(250);
  assert.equal(demand.wanted(600_000, 0), 2);
});

test('demand fades', () => {
  const demand = createDemand();
  for (let time = 0; time <= 60_000; time += 100) demand.asked(time);
  const busy = demand.wanted(60_000, 0);
  assert.ok(busy > 5, String(busy));
  assert.ok(demand.wanted(120_000, 0) < busy);
  assert.equal(demand.wanted(340_000, 0), 1);
});
