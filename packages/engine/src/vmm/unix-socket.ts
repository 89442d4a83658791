import { closeSync, constants, fstatSync, lstatSync, openSync, type Stats } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { NovaError } from '@novasandbox/protocol';

/** O_PATH of open(2): opens the file itself, of whatever kind, and not its contents. Node has no constant for it. */
const pathOnly = 0o10000000;

/**
 * Connects to an existing Unix socket, in a folder whose parent is ours. The folder may belong to another user, who
 * could replace the socket at any time. So only a socket of the folder's owner is connected to, and exactly the one
 * that was checked. Rejects with `guest_unreachable` where there is none or nobody listens, `vmm_failed` where there is
 * something else, or `cancelled` on abort.
 */
export async function connectUnixSocket(path: string, signal?: AbortSignal): Promise<Socket> {
  if (signal?.aborted === true) throw new NovaError('cancelled', 'Cancelled before connecting.');
  const socket = connectTo(path);
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const onAbort = (): void => reject(new NovaError('cancelled', 'Cancelled while connecting.'));
  signal?.addEventListener('abort', onAbort, { once: true });
  socket.once('connect', () => resolve(socket));
  const onError = (error: Error): void => reject(unreachable(path, error));
  socket.once('error', onError);
  try {
    return await promise;
  } catch (error) {
    // Avoid an unhandled error event: the failure has been reported already.
    socket.on('error', () => undefined);
    socket.destroy();
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    socket.off('error', onError);
  }
}

/** Begins to connect. Only on Linux do VMMs run as other users than ours. */
function connectTo(path: string): Socket {
  if (process.platform !== 'linux')
    return connect({
      path: requireOwned(
        path,
        found(path, (name) => lstatSync(name)),
      ),
    });
  const descriptor = found(path, (name) => openSync(name, pathOnly | constants.O_NOFOLLOW));
  try {
    requireOwned(path, fstatSync(descriptor));
    // Node has made the system call when this returns, so the descriptor may be closed.
    return connect({ path: `/proc/self/fd/${descriptor}` });
  } finally {
    closeSync(descriptor);
  }
}

function found<T>(path: string, look: (path: string) => T): T {
  try {
    return look(path);
  } catch (error) {
    throw unreachable(path, error);
  }
}

function requireOwned(path: string, there: Stats): string {
  if (there.isSocket() && there.uid === lstatSync(dirname(path)).uid) return path;
  throw new NovaError('vmm_failed', `${path} is not a socket of the owner of its folder.`);
}

const unreachable = (path: string, error: unknown): NovaError =>
  new NovaError(
    'guest_unreachable',
    `Cannot connect to ${path}: ${error instanceof Error ? error.message : String(error)}`,
    { cause: error },
  );
