import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, type SandboxInfo } from '@novasandbox/protocol';
import { eventSchema } from '@novasandbox/protocol/api';
import { cancelled, isAborted } from './remote-error.ts';
import type { OpenSocket } from './socket.ts';
import { withResolvers } from '../with-resolvers.ts';

const ends = ['vm.stopped', 'vm.hibernated', 'vm.failed', 'vm.removed'];
const isOver = ({ state }: SandboxInfo): boolean => ['stopped', 'hibernated', 'failed'].includes(state);
const retryMs = 1000;

/**
 * Settles when the sandbox no longer runs, according to the daemon's events. After a daemon restarts, it is asked
 * again. Waiting does not keep the process alive.
 */
export async function untilExited(
  openSocket: OpenSocket,
  get: (ref: string) => Promise<SandboxInfo>,
  ref: string,
  signal: AbortSignal | undefined,
): Promise<SandboxInfo> {
  let last = await get(ref);
  const { id } = last;
  while (!isOver(last)) {
    if (isAborted(signal)) throw cancelled(signal);
    try {
      // Listen first and ask afterwards, so that an end in between is not missed.
      await using ended = await listen(openSocket, id, signal);
      last = await get(id);
      if (isOver(last)) break;
      await ended.promise;
      last = await get(id);
    } catch (error) {
      if (isAborted(signal)) throw cancelled(signal);
      if (isNovaError(error, 'sandbox_not_found')) return { ...last, state: 'stopped' };
      if (!isNovaError(error, 'server_unreachable', 'shutting_down')) throw error;
      await delay(retryMs, undefined, { ref: false, signal }).catch(() => undefined);
    }
  }
  return last;
}

async function listen(
  openSocket: OpenSocket,
  id: string,
  signal: AbortSignal | undefined,
): Promise<AsyncDisposable & { readonly promise: Promise<void> }> {
  const { promise, resolve, reject } = withResolvers<void>();
  promise.catch(() => undefined);
  const socket = await openSocket('vmEvents', { id }, { signal }, () => ({
    message: (value) => {
      if (ends.includes(eventSchema.parse(value).type)) resolve();
    },
    bytes: () => undefined,
    over: (error) => (error === null ? resolve() : reject(error)),
  }));
  socket.unref();
  const leave = (): void => {
    reject(cancelled(signal));
    socket.terminate();
  };
  signal?.addEventListener('abort', leave, { once: true });
  return {
    promise,
    [Symbol.asyncDispose]: async () => {
      signal?.removeEventListener('abort', leave);
      socket.terminate();
    },
  };
}
