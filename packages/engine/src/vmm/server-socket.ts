import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { MachineSpec } from '../ports/vmm-driver.ts';
import { lastWords } from './last-words.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';
import { connectUnixSocket } from './unix-socket.ts';

/**
 * A VMM opens its socket within some ms; on an overloaded host, within many seconds. The wait ends when the VMM does.
 */
const opensWithinMs = 60_000;

/** Rounds between two checks whether the process still lives. */
const aliveEvery = 20;

/**
 * Connects to the socket that a process, which has just started, is about to open. It is polled every millisecond,
 * which costs next to nothing. The file system could notify us, but removing such a watch takes the kernel longer than
 * a VMM needs to start. Rejects with `vmm_failed` and the output of the process when it ends before that, and
 * `cancelled` on abort.
 */
export async function connectWhenOpen(
  path: string,
  spec: Pick<MachineSpec, 'directory'>,
  server: ProcessIdentity,
  signal?: AbortSignal,
): Promise<Socket> {
  const end = performance.now() + opensWithinMs;
  for (let round = 0; ; round++) {
    throwIfAborted(signal, 'while the VMM was starting');
    // It is checked before connecting, because the process may end right after it has opened its socket, and seldom,
    // because it costs more than the look for the socket.
    const alive = round % aliveEvery !== 0 || isAlive(server);
    // The socket may be bound before anybody listens on it.
    const outcome = existsSync(path) ? await tryToConnect(path, signal) : `there is no ${path}`;
    if (typeof outcome !== 'string') return outcome;
    if (!alive || performance.now() > end) {
      const said = await lastWords(spec);
      throw new NovaError('vmm_failed', `The VMM did not start: ${said === '' ? outcome : said}`);
    }
    await delay(1);
  }
}

/** Resolves with the socket, or with the reason why it cannot be connected to yet. */
async function tryToConnect(path: string, signal: AbortSignal | undefined): Promise<Socket | string> {
  try {
    return await connectUnixSocket(path, signal);
  } catch (error) {
    if (isNovaError(error, 'guest_unreachable')) return error.message;
    throw error;
  }
}
