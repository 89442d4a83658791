import { Code, ConnectError, createContextKey, type HandlerContext } from '@connectrpc/connect';
import { connectError, sandboxLost } from './connect-error.ts';
import { reset } from '../connections.ts';
import type { Scope } from './scope.ts';

/** Context key of the scope of a request. */
export const scopeKey = createContextKey<Scope | null>(null, { description: 'sandbox and user' });

function scopeOf(call: HandlerContext): Scope {
  const scope = call.values.get(scopeKey);
  if (scope === null) throw new ConnectError('no sandbox', Code.Internal);
  return scope;
}

/** Implements a unary call; errors become Connect errors. */
export function unary<I, O>(
  run: (scope: Scope, request: I, call: HandlerContext) => Promise<O>,
): (request: I, call: HandlerContext) => Promise<O> {
  return async (request, call) => {
    const scope = scopeOf(call);
    try {
      return await run(scope, request, call);
    } catch (error) {
      throw connectError(scope, error);
    }
  };
}

/** Implements a streaming call, which is cut off when the sandbox ends. */
export function streaming<I, O>(
  run: (scope: Scope, request: I, call: HandlerContext) => AsyncIterable<O>,
): (request: I, call: HandlerContext) => AsyncIterable<O> {
  return async function* stream(request, call) {
    const scope = scopeOf(call);
    try {
      yield* run(scope, request, call);
    } catch (error) {
      if (await sandboxLost(scope, error)) reset(scope.response.socket);
      throw connectError(scope, error);
    }
  };
}

/** Tells whether the call's own time limit has passed; the signal aborts for a client that disconnects too. */
export function deadlinePassed(call: HandlerContext): boolean {
  const reason: unknown = call.signal.aborted ? call.signal.reason : undefined;
  return reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
}
