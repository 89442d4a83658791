import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasRoomFor, hostMemory, isPressed } from './host-memory.ts';

test('a clone is made only where its guest could use all of its memory and the host still has some', () => {
  assert.ok(hasRoomFor(512, { availableMb: 1800, totalMb: 8000 }));
  assert.ok(!hasRoomFor(512, { availableMb: 1700, totalMb: 8000 }));
});

test('the pool gives its memory back when little is left', () => {
  assert.ok(!isPressed({ availableMb: 700, totalMb: 8000 }));
  assert.ok(isPressed({ availableMb: 600, totalMb: 8000 }));
});

test('the memory of this host is known', () => {
  const { availableMb, totalMb } = hostMemory();
  assert.ok(availableMb > 0 && availableMb <= totalMb, `${availableMb} of ${totalMb}`);
});
