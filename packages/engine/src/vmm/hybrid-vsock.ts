import type { Socket } from 'node:net';
import { NovaError } from '@novasandbox/protocol';
import { connectUnixSocket } from './unix-socket.ts';

/** The answer is "OK <host port>\n"; a longer one is invalid. */
const maxAnswerBytes = 32;

/**
 * Connects to a vsock port of the guest through the VMM's Unix socket, as Firecracker and Cloud Hypervisor define it:
 * the host writes "CONNECT <port>\n", and the VMM answers "OK <host port>\n" or closes. It closes at once when nobody
 * listens yet. Rejects with `guest_unreachable`, or `cancelled` on abort.
 */
export async function connectVsock(path: string, port: number, signal?: AbortSignal): Promise<Socket> {
  const socket = await connectUnixSocket(path, signal);
  try {
    socket.write(`CONNECT ${port}\n`);
    await answer(socket, path, port, signal);
    return socket;
  } catch (error) {
    socket.on('error', () => undefined);
    socket.destroy();
    throw error;
  }
}

/** Reads exactly the answer, because the bytes after it belong to the session. */
function answer(socket: Socket, path: string, port: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let said = '';
  const refuse = (why: string): void =>
    reject(new NovaError('guest_unreachable', `Nothing answers on vsock port ${port} (${path}): ${why}`));
  const onAbort = (): void => reject(new NovaError('cancelled', 'Cancelled while connecting to the guest.'));
  const onEnd = (): void => refuse('the VMM closed the connection');
  const onError = (error: Error): void => refuse(error.message);
  const onReadable = (): void => {
    for (let byte = read(socket); byte !== null; byte = read(socket)) {
      if (byte === '\n') return /^OK \d+$/.test(said) ? resolve() : refuse(`the VMM said "${said}"`);
      said += byte;
      if (said.length > maxAnswerBytes) return refuse('the VMM said something else');
    }
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  socket.on('readable', onReadable).on('end', onEnd).on('error', onError).on('close', onEnd);
  return promise.finally(() => {
    signal?.removeEventListener('abort', onAbort);
    socket.off('readable', onReadable).off('end', onEnd).off('error', onError).off('close', onEnd);
  });
}

function read(socket: Socket): string | null {
  const chunk = socket.read(1) as Buffer | null;
  return chunk === null ? null : chunk.toString('latin1');
}
