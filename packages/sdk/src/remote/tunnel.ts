import { Duplex } from 'node:stream';
import { NovaError } from '@novasandbox/protocol';
import { tunnelServerMessageSchema } from '@novasandbox/protocol/api';
import { cancelled, errorOfWire } from './remote-error.ts';
import type { OpenSocket, RemoteSocket, SocketListener } from './socket.ts';
import { withResolvers } from '../with-resolvers.ts';

/** Connects to a TCP port of the guest; resolves when the connection is open. */
export async function openRemoteTunnel(
  openSocket: OpenSocket,
  ref: string,
  port: number,
  signal: AbortSignal | undefined,
): Promise<Duplex> {
  const made: { tunnel?: RemoteTunnel } = {};
  await openSocket('tunnel', { id: ref, port }, { signal }, (opening) => {
    made.tunnel = new RemoteTunnel(opening);
    return made.tunnel;
  });
  const tunnel = made.tunnel as RemoteTunnel;
  const abort = (): void => void tunnel.destroy(cancelled(signal));
  signal?.addEventListener('abort', abort, { once: true });
  tunnel.once('close', () => signal?.removeEventListener('abort', abort));
  if (signal?.aborted === true) abort();
  await tunnel.connected;
  return tunnel;
}

class RemoteTunnel extends Duplex implements SocketListener {
  readonly connected: Promise<void>;
  readonly #connected = withResolvers<void>();
  readonly #socket: RemoteSocket;

  constructor(socket: RemoteSocket) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    this.connected = this.#connected.promise;
    this.connected.catch(() => undefined);
    // The guest can end a connection at any time, which must not become an uncaught error where nobody listens for one.
    this.on('error', () => undefined);
  }

  message(value: unknown): void {
    const message = tunnelServerMessageSchema.parse(value);
    if (message.type === 'open') this.#connected.resolve();
    else this.destroy(errorOfWire(message));
  }

  bytes(bytes: Buffer): void {
    if (!this.push(bytes)) this.#socket.pause();
  }

  over(error: NovaError | null): void {
    if (error !== null) this.destroy(error);
    else this.push(null);
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, settle: (error?: Error | null) => void): void {
    if (this.#socket.closing) {
      settle(new NovaError('connection_refused', 'The connection was closed in the guest.'));
      return;
    }
    this.#socket.sendBytes(chunk).then(() => settle(), settle);
  }

  override _final(settle: (error?: Error | null) => void): void {
    this.#socket.send({ type: 'end' });
    settle();
  }

  override _destroy(error: Error | null, settle: (error?: Error | null) => void): void {
    this.#connected.reject(error ?? cancelled(undefined));
    void this.#socket.close();
    settle(error);
  }
}
