import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, type SandboxInfo } from '@novasandbox/protocol';
import { eventSchema } from '@novasandbox/protocol/api';
import { cancelled, isAborted } from './remote-error.ts';
import type { OpenSocket } from './socket.ts';
import { withResolvers } from '../with-resolvers.ts';

const ends = ['vm.stopped', 'vm.failed', 'vm.removed'];
const retryMs = 1000;

/**
 * Settles when the sandbox no longer runs, as the daemon's events tell it. A daemon that is started anew is asked again. Waiting keeps no
 * process alive: who waits for nothing else has ended.
 */
export async function untilExited(
  openSocket: OpenSocket,
  get: (ref: string) => Promise<SandboxInfo>,
  ref: string,
  signal: AbortSignal | undefined,
): Promise<SandboxInfo> {
  let last = await get(ref);
  const { id } = last;
  while (last.state === 'running' || last.state === 'paused' || last.state === 'creating') {
    if (isAborted(signal)) throw cancelled(signal);
    try {
      // Listening first, then asking: an end in between is not missed.
      await using ended = await listen(openSocket, id, signal);
      last = await get(id);
      if (last.state === 'stopped' || last.state === 'failed') break;
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
