import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import { connectVsock } from './hybrid-vsock.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';

/** The agent listens here (guest/BOOT.md, `nova.channel=vsock:1024`). */
export const agentPort = 1024;
/**
 * An agent keeps at most 64 links at once (guest/agent, MAX_LINKS). Half of that leaves room for links that are just
 * closing.
 */
export const vsockChannels = 32;

/** A booting guest refuses connections; the next attempt comes after this time, ms. */
const againMs = 1;
/** A lost request, as may happen around a restore, is given up after this time and made again, ms. */
const answerTimeoutMs = 1000;
/** How long a guest may refuse in total, ms: a cold boot on the slowest host. Less patient callers abort. */
const patienceMs = 300_000;

/**
 * A stream to the agent through a VMM's vsock socket, tried again and again while the guest boots. Rejects with
 * `guest_unreachable` once the VMM has ended or the time limit is over, `cancelled` on abort.
 */
export async function connectAgent(path: string, vmm: ProcessIdentity, signal?: AbortSignal): Promise<Socket> {
  const end = performance.now() + patienceMs;
  for (;;) {
    throwIfAborted(signal, 'before connecting to the guest');
    try {
      return await connectVsock(path, agentPort, answerWithin(signal));
    } catch (error) {
      throwIfAborted(signal, 'while connecting to the guest');
      if (!isNovaError(error, 'guest_unreachable', 'cancelled')) throw error;
      if (!isAlive(vmm) || performance.now() > end)
        throw new NovaError('guest_unreachable', `The guest cannot be reached: ${error.message}`, { cause: error });
    }
    await delay(againMs);
  }
}

const answerWithin = (signal: AbortSignal | undefined): AbortSignal => {
  const timeout = AbortSignal.timeout(answerTimeoutMs);
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
};
