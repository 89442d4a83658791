import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scriptedProcess } from './attached-process.test-support.ts';
import { feedStdin } from './stdin.ts';

test('text is written and stdin closed', async () => {
  const { process, seen } = scriptedProcess();
  await feedStdin(process, 'hällo');
  assert.equal(Buffer.concat(seen.stdin).toString(), 'hällo');
  assert.equal(seen.stdinClosed, true);
});

test('a source is read to its end', async () => {
  const { process, seen } = scriptedProcess();
  await feedStdin(
    process,
    (async function* () {
      yield 'a';
      yield new Uint8Array([98]);
    })(),
  );
  assert.equal(Buffer.concat(seen.stdin).toString(), 'ab');
});

test('a source that never ends is left when the process ends', async () => {
  const { process, end } = scriptedProcess();
  const told = Promise.withResolvers<void>();
  const endless: AsyncIterable<string> = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => undefined),
      return: () => {
        told.resolve();
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
  const feeding = feedStdin(process, endless);
  end();
  await feeding;
  await told.promise;
});

test('what the source throws is thrown', async () => {
  const { process } = scriptedProcess();
  const broken = (async function* () {
    yield 'a';
    throw new Error('source broke');
  })();
  await assert.rejects(feedStdin(process, broken), /source broke/);
});
