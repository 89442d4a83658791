import assert from 'node:assert/strict';
import { isNovaError, type ErrorCode } from '@novasandbox/protocol';

/**
 * Fails unless the promise rejects with a NovaError of the code. Call it when the promise is made, so that even an
 * early rejection has a handler; await its result where the rejection is expected.
 */
export function rejects(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  return assert.rejects(promise, (error: unknown) => {
    assert.ok(isNovaError(error, code), `${String(error)} is no ${code}`);
    return true;
  });
}
