import { connect, type Socket } from 'node:net';
import { NovaError } from '@novasandbox/protocol';

/** Connects to a Unix socket that is there. Rejects with `guest_unreachable`, or `cancelled` on abort. */
export async function connectUnixSocket(path: string, signal?: AbortSignal): Promise<Socket> {
  if (signal?.aborted === true) throw new NovaError('cancelled', 'Cancelled before connecting.');
  const socket = connect({ path });
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const onAbort = (): void => reject(new NovaError('cancelled', 'Cancelled while connecting.'));
  signal?.addEventListener('abort', onAbort, { once: true });
  socket.once('connect', () => resolve(socket));
  const onError = (error: Error): void =>
    reject(new NovaError('guest_unreachable', `Cannot connect to ${path}: ${error.message}`, { cause: error }));
  socket.once('error', onError);
  try {
    return await promise;
  } catch (error) {
    // Errors after the failure was told have nobody to hear them.
    socket.on('error', () => undefined);
    socket.destroy();
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    socket.off('error', onError);
  }
}
