import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { connectVsock } from './hybrid-vsock.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';

/** The whole wait for a guest that comes up, where the caller sets no limit of its own. */
const timeoutMs = 60_000;
/** A VMM holds a connection until the guest has its driver; one that was lost with a guest's restart is never answered. */
const attemptTimeoutMs = 5000;
const shortestPauseMs = 1;
const longestPauseMs = 10;

/**
 * Connects to a port of a guest that may still be booting. Until its driver is there the VMM holds the connection, so that nothing has to be asked again;
 * from then on until somebody listens the guest refuses it, which is some ms, and it is tried again at once. Rejects with
 * `guest_unreachable` when the VMM has ended or the time is up, `cancelled` on abort.
 */
export async function connectGuest(
  vmm: ProcessIdentity,
  path: string,
  port: number,
  signal?: AbortSignal,
): Promise<Socket> {
  const end = performance.now() + timeoutMs;
  for (let pauseMs = shortestPauseMs; ; pauseMs = Math.min(pauseMs * 1.2, longestPauseMs)) {
    // Looked at before: what a VMM that has ended refuses is refused for good.
    const alive = isAlive(vmm);
    const attempt = AbortSignal.timeout(attemptTimeoutMs);
    try {
      return await connectVsock(path, port, signal === undefined ? attempt : AbortSignal.any([signal, attempt]));
    } catch (error) {
      if (signal?.aborted === true) throw new NovaError('cancelled', 'Cancelled while connecting.', { cause: error });
      if (!isNovaError(error, 'guest_unreachable', 'cancelled')) throw error;
      if (!alive) throw new NovaError('guest_unreachable', 'The VMM has ended.', { cause: error });
      if (performance.now() > end)
        throw new NovaError('guest_unreachable', `The guest has not answered within ${timeoutMs / 1000} s.`, {
          cause: error,
        });
    }
    await delay(pauseMs);
  }
}
