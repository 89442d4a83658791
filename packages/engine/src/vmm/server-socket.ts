import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import type { MachineSpec } from '../ports/vmm-driver.ts';
import { fileTail, vmmLog } from './logs.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';
import { connectUnixSocket } from './unix-socket.ts';

/** A VMM opens its socket within some ms; on a host with nothing left to give, within many seconds. One that ends is not waited for. */
const opensWithinMs = 60_000;

/**
 * Connects to the socket that a process just started is about to open. Rejects with `vmm_failed` and what the process said when it ends
 * before that, and `cancelled` on abort.
 */
export async function connectWhenOpen(
  path: string,
  spec: Pick<MachineSpec, 'directory'>,
  server: ProcessIdentity,
  signal?: AbortSignal,
): Promise<Socket> {
  const end = performance.now() + opensWithinMs;
  for (;;) {
    // Looked at before connecting: it may end right after having opened its socket.
    const alive = isAlive(server);
    try {
      return await connectUnixSocket(path, signal);
    } catch (error) {
      // Not there yet, or bound and not listening yet.
      if (!isNovaError(error, 'guest_unreachable')) throw error;
      if (!alive || performance.now() > end) {
        const said = (await fileTail(`${spec.directory}/${vmmLog}`, 2000)).trim();
        throw new NovaError('vmm_failed', `The VMM did not start: ${said === '' ? error.message : said}`, {
          cause: error,
        });
      }
    }
    await delay(1);
  }
}
