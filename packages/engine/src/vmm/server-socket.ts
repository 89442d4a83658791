import { existsSync, watch } from 'node:fs';
import type { Socket } from 'node:net';
import { basename, dirname } from 'node:path';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { MachineSpec } from '../ports/vmm-driver.ts';
import { fileTail, vmmLog } from './logs.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';
import { connectUnixSocket } from './unix-socket.ts';

/** A VMM opens its socket within some ms; on a host with nothing left to give, within many seconds. One that ends is not waited for. */
const opensWithinMs = 60_000;

/** A socket is there a moment before it is listened on. */
const againMs = 1;
/** How often it is seen whether the process still lives. */
const lookEveryMs = 25;

/**
 * Connects to the socket that a process just started is about to open, whose folder is there. The file system tells when it is. Rejects with
 * `vmm_failed` and what the process said when it ends before that, and `cancelled` on abort.
 */
export async function connectWhenOpen(
  path: string,
  spec: Pick<MachineSpec, 'directory'>,
  server: ProcessIdentity,
  signal?: AbortSignal,
): Promise<Socket> {
  const end = performance.now() + opensWithinMs;
  let notice = (): void => undefined;
  const watcher = watch(dirname(path), (_, name) => {
    if (name === basename(path)) notice();
  });
  const onAbort = (): void => notice();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    for (;;) {
      throwIfAborted(signal, 'while the VMM was starting');
      // Looked at before connecting: it may end right after having opened its socket.
      const alive = isAlive(server);
      const bound = existsSync(path);
      const failure = bound ? await tryToConnect(path, signal) : `there is no ${path}`;
      if (typeof failure !== 'string') return failure;
      if (!alive || performance.now() > end) {
        const said = (await fileTail(`${spec.directory}/${vmmLog}`, 2000)).trim();
        throw new NovaError('vmm_failed', `The VMM did not start: ${said === '' ? failure : said}`);
      }
      const { promise: changed, resolve } = Promise.withResolvers<void>();
      notice = resolve;
      const timer = setTimeout(resolve, bound ? againMs : lookEveryMs);
      // It may have come between the look and the waiting.
      if (!bound && existsSync(path)) resolve();
      await changed;
      clearTimeout(timer);
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    watcher.close();
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
