import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { together } from './abort.ts';

test('works run side by side, and their results are in the order of the works', async () => {
  const begun = Promise.withResolvers<void>();
  const results = await together(undefined, [
    async () => {
      await begun.promise;
      return 1;
    },
    async () => {
      begun.resolve();
      return 'two';
    },
  ]);
  assert.deepEqual(results, [1, 'two']);
});

test('the first failure aborts the others, and is thrown when all have ended', async () => {
  let ended = false;
  const works = together(undefined, [
    () => Promise.reject(new Error('the first')),
    async (signal) => {
      if (!signal.aborted) await once(signal, 'abort');
      await Promise.resolve();
      ended = true;
      throw new Error('the second');
    },
  ]);
  await assert.rejects(works, /the first/);
  assert.ok(ended);
});

test('whoever gives up ends all of them', async () => {
  const abort = new AbortController();
  const seen: unknown[] = [];
  const works = together(
    abort.signal,
    [1, 2].map(() => async (signal: AbortSignal) => {
      await once(signal, 'abort');
      seen.push(signal.reason);
      throw signal.reason;
    }),
  );
  abort.abort('enough');
  await assert.rejects(works, (error) => error === 'enough');
  assert.deepEqual(seen, ['enough', 'enough']);
});
