import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NovaError } from '@novasandbox/protocol';
import { bootTwiceOnTimerFault } from './timer-fault.ts';

const fault = (): NovaError =>
  new NovaError(
    'boot_timeout',
    'The guest did not answer within 60000 ms. Console: [ 0.48] APIC frequency too slow, disabling apic timer',
  );

async function boots(errors: readonly unknown[]): Promise<{ readonly count: number; readonly failed: unknown }> {
  let count = 0;
  const boot = (): Promise<string> => {
    const error = errors[count++];
    return error === undefined ? Promise.resolve('up') : Promise.reject(error as Error);
  };
  const failed = await bootTwiceOnTimerFault(boot).then(
    () => undefined,
    (error: unknown) => error,
  );
  return { count, failed };
}

test('a guest that measured its timer wrong is booted once more, and no more than that', async () => {
  assert.deepEqual(await boots([]), { count: 1, failed: undefined });
  assert.deepEqual(await boots([fault()]), { count: 2, failed: undefined });
  const second = fault();
  assert.deepEqual(await boots([fault(), second]), { count: 2, failed: second });
});

test('any other failure is told at once', async () => {
  for (const error of [new NovaError('boot_timeout', 'The guest did not answer.'), new Error('disabling apic timer')])
    assert.deepEqual(await boots([error]), { count: 1, failed: error });
});
