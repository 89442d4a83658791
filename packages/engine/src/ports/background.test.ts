import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inBackground, onBackgroundFailure, type BackgroundFailure } from './background.ts';

test('what work in the background throws, at once or later, ends no process and is told to who listens', async () => {
  const failures: BackgroundFailure[] = [];
  const heard = Promise.withResolvers<void>();
  {
    using _listening = onBackgroundFailure((failure) => {
      failures.push(failure);
      if (failures.length === 2) heard.resolve();
    });
    inBackground('the first', () => {
      throw new Error('at once');
    });
    inBackground('the second', () => Promise.reject(new Error('later')));
    inBackground('the third', () => 'nothing wrong');
    await heard.promise;
  }
  assert.deepEqual(
    failures.map(({ what, error }) => [what, String(error)]),
    [
      ['the first', 'Error: at once'],
      ['the second', 'Error: later'],
    ],
  );
});
