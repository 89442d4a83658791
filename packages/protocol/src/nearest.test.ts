import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from './nearest.ts';

const names = ['templateId', 'memoryMb', 'diskSizeMb', 'env', 'user', 'labels', 'guestPort'];

test('the nearest name is the one with the fewest letters to change', () => {
  const cases: Readonly<Record<string, string | undefined>> = {
    memroyMb: 'memoryMb',
    memory_mb: 'memoryMb',
    memory: 'memoryMb',
    memorymb: 'memoryMb',
    disksize: 'diskSizeMb',
    lables: 'labels',
    guest_prot: 'guestPort',
    usr: 'user',
    en: 'env',
    surprise: undefined,
    '': undefined,
  };
  for (const [word, meant] of Object.entries(cases)) assert.equal(nearest(word, names), meant, word);
  assert.equal(nearest('anything', []), undefined);
});

test('a word as long as a body is looked at in a moment', () => {
  const started = performance.now();
  for (let count = 0; count < 20; count += 1) nearest('x'.repeat(1_000_000), names);
  assert.ok(performance.now() - started < 1000);
});
