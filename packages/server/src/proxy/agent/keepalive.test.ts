import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { keepaliveMs, keptAlive } from './keepalive.ts';

test('a silent source is kept alive, and left when its reader leaves', async () => {
  let left = false;
  const source = (async function* () {
    try {
      yield 'a';
      await delay(120);
      yield 'b';
      yield 'c';
    } finally {
      left = true;
    }
  })();
  const seen: string[] = [];
  for await (const each of keptAlive(source, 40, () => '.')) {
    seen.push(each);
    if (each === 'b') break;
  }
  assert.match(seen.join(''), /^a\.{1,3}b$/);
  await delay(1);
  assert.equal(left, true);
});

test('an error of the source is thrown', async () => {
  const source = (async function* () {
    yield 1;
    throw new Error('gone');
  })();
  await assert.rejects(Array.fromAsync(keptAlive(source, 1000, () => 0)), /gone/);
});

test('the interval asked for, within reason', () => {
  const asked = (value?: string) =>
    keepaliveMs(new Headers(value === undefined ? {} : { 'keepalive-ping-interval': value }));
  assert.deepEqual(
    ['50', undefined, '0', '-1', 'x', '1e9'].map(asked),
    [50_000, 90_000, 90_000, 90_000, 90_000, 90_000],
  );
});
