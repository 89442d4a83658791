import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { MachineSpec } from '../ports/vmm-driver.ts';
import { fileTail, vmmLog } from './logs.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';
import { connectUnixSocket } from './unix-socket.ts';

/** A VMM opens its socket within some ms; on a host with nothing left to give, within many seconds. One that ends is not waited for. */
const opensWithinMs = 60_000;

/** Rounds between two looks at whether the process still lives. */
const aliveEvery = 20;

/**
 * Connects to the socket that a process just started is about to open. It is looked for every millisecond, which costs next to nothing; the file
 * system would tell, but getting rid of a watch takes the kernel longer than a VMM needs to start. Rejects with `vmm_failed` and what the
 * process said when it ends before that, and `cancelled` on abort.
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
    // Looked at before connecting, as it may end right after having opened its socket, and seldom, as that costs more than the look for the socket.
    const alive = round % aliveEvery !== 0 || isAlive(server);
    // Bound is not listening yet.
    const outcome = existsSync(path) ? await tryToConnect(path, signal) : `there is no ${path}`;
    if (typeof outcome !== 'string') return outcome;
    if (!alive || performance.now() > end) {
      const said = (await fileTail(`${spec.directory}/${vmmLog}`, 2000)).trim();
      throw new NovaError('vmm_failed', `The VMM did not start: ${said === '' ? outcome : said}`);
    }
    await delay(1);
  }
}

/** Or why not yet. */
async function tryToConnect(path: string, signal: AbortSignal | undefined): Promise<Socket | string> {
  try {
    return await connectUnixSocket(path, signal);
  } catch (error) {
    if (isNovaError(error, 'guest_unreachable')) return error.message;
    throw error;
  }
}
