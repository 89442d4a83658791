import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as tslib from 'tslib';
import { toNovaError } from '../errors.ts';
import * as lean from './disposal.ts';

/** Both are called as the compiler calls them. */
const kinds = { tslib, lean } as unknown as Readonly<Record<string, typeof lean>>;

/** Runs a block with two resources, of which each may fail, as may the block itself. Returns what happened. */
async function run(
  { __addDisposableResource: add, __disposeResources: dispose }: typeof lean,
  failing: readonly string[],
): Promise<unknown[]> {
  const seen: unknown[] = [];
  const step = async (name: string): Promise<void> => {
    seen.push(name);
    await Promise.resolve();
    if (failing.includes(name)) throw new Error(name);
  };
  const disposal = { stack: [], error: undefined as unknown, hasError: false };
  try {
    try {
      add(disposal, { [Symbol.asyncDispose]: () => step('first') }, true);
      add(disposal, null, true);
      add(disposal, { [Symbol.dispose]: () => void seen.push('plain') }, true);
      add(disposal, { [Symbol.asyncDispose]: () => step('second') }, true);
      await step('block');
    } catch (error) {
      disposal.error = error;
      disposal.hasError = true;
    } finally {
      const result = dispose(disposal);
      if (result !== undefined) await result;
    }
  } catch (error) {
    const { message, details } = toNovaError(error);
    seen.push(message, details);
  }
  return seen;
}

test('resources are disposed in reverse, whatever fails, and the first error is told with the last one of clean-up', async () => {
  const all = ['block', 'second', 'first'];
  for (const failing of [[], ['block'], ['first'], ['second'], ['block', 'second'], ['second', 'first'], all]) {
    const [ours, theirs] = [await run(kinds['lean'] ?? lean, failing), await run(kinds['tslib'] ?? lean, failing)];
    assert.deepEqual(ours.slice(0, 4), ['block', 'second', 'plain', 'first']);
    assert.equal(ours[4], failing[0]);
    assert.deepEqual(ours, theirs, failing.join());
  }
});

test('a value without a way to dispose of it is refused', () => {
  for (const { __addDisposableResource: add } of Object.values(kinds))
    assert.throws(() => add({ stack: [], error: undefined, hasError: false }, {}, true), TypeError);
});
