import { NovaError } from '@novasandbox/protocol';
import { WebSocket } from 'ws';
import type { Endpoint } from './address.ts';
import { cancelled, connectionError, errorOfAnswer } from './remote-error.ts';
import { pathOf, type Operation, type Params, type Query } from './route-path.ts';
import { withResolvers } from '../with-resolvers.ts';

export interface SocketListener {
  message(value: unknown): void;
  bytes(bytes: Buffer): void;
  /** Once, and last. Null: the daemon closed it because all was said. */
  over(error: NovaError | null): void;
  /** The engine is closed, and the socket with it: what is still to be said. */
  goodbye?(): void;
}

/** A WebSocket of the contract. `pause` stops the daemon too, once the connection's own buffers are full. */
export interface RemoteSocket {
  send(value: unknown): void;
  /** Resolves when the system has taken the bytes, to how many it has: fewer when the socket ends. What the daemon does not take makes it wait. */
  sendBytes(bytes: Uint8Array): Promise<number>;
  pause(): void;
  resume(): void;
  /** Whether it ends; what arrives from then on is dropped. */
  readonly closing: boolean;
  /** Ends it after what was sent; resolves when the daemon has seen that, or has had its time. */
  close(): Promise<void>;
  terminate(): void;
  /** Keeps no process alive from now on. */
  unref(): void;
}

export type OpenSocket = <O extends Operation>(
  operation: O,
  params: Params<O>,
  how: { readonly query?: Query; readonly signal?: AbortSignal | undefined },
  listen: (socket: RemoteSocket) => SocketListener,
) => Promise<RemoteSocket>;

const openMs = 10_000;
const closeMs = 2000;
/** The daemon takes no longer messages. */
export const maxMessageBytes = 1024 * 1024;
const pieceBytes = 64 * 1024;
const enoughSentBytes = 256 * 1024;

/** Opens WebSockets of an endpoint, and knows those that are open, so that closing the engine ends them. */
export function createSockets(endpoint: Endpoint): { readonly open: OpenSocket; close(): Promise<void> } {
  const open = new Map<WebSocket, () => Promise<void>>();
  return {
    async close() {
      await Promise.all([...open.values()].map((leave) => leave()));
    },
    async open(operation, params, { query = {}, signal }, listen) {
      if (signal?.aborted === true) throw cancelled(signal);
      const path = endpoint.prefix + pathOf(operation, params, query);
      const address =
        endpoint.socketPath === undefined
          ? `${endpoint.origin.replace(/^http/, 'ws')}${path}`
          : `ws+unix:${endpoint.socketPath}:${path}`;
      const socket = new WebSocket(address, {
        headers: endpoint.headers,
        perMessageDeflate: false,
        maxPayload: 16 * maxMessageBytes,
        handshakeTimeout: openMs,
      });
      const remote = remoteSocket(socket);
      const listener = listen(remote);
      open.set(socket, async () => {
        if (listener.goodbye === undefined || remote.closing) return socket.terminate();
        listener.goodbye();
        await remote.close();
      });
      socket.once('close', () => open.delete(socket));
      attach(socket, listener, endpoint.name);
      await opened(socket, endpoint.name, signal);
      return remote;
    },
  };
}

/** Waits for the handshake. An answer that is no handshake holds the error. */
async function opened(socket: WebSocket, name: string, signal: AbortSignal | undefined): Promise<void> {
  const done = withResolvers<void>();
  const abort = (): void => done.reject(cancelled(signal));
  signal?.addEventListener('abort', abort, { once: true });
  socket.once('open', done.resolve);
  socket.once('error', (error) => done.reject(connectionError(name, error)));
  socket.once('close', () => done.reject(connectionError(name, new Error('the connection was closed'))));
  socket.once('unexpected-response', (_request, response) => {
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (part: string) => {
      if (body.length < maxMessageBytes) body += part;
    });
    response.once('close', () => done.reject(errorOfAnswer(response.statusCode ?? 0, body)));
  });
  try {
    await done.promise;
  } catch (error) {
    socket.terminate();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

function attach(socket: WebSocket, listener: SocketListener, name: string): void {
  let failure: unknown;
  let began = false;
  socket.on('open', () => (began = true));
  socket.on('message', (data: Buffer, isBinary) => {
    if (socket.readyState !== socket.OPEN) return;
    if (isBinary) return listener.bytes(data);
    try {
      listener.message(JSON.parse(data.toString()));
    } catch (error) {
      failure ??= new NovaError('server_unreachable', `The daemon at ${name} has sent what is no message of its.`, {
        cause: error,
      });
      socket.terminate();
    }
  });
  // Before it is open, whoever opens it is told.
  socket.on('error', (error) => (failure ??= error));
  socket.on('close', (code, reason) => {
    if (!began) return;
    if (code === 1000) return listener.over(null);
    listener.over(endOf(code, reason.toString(), failure, name));
  });
}

function endOf(code: number, reason: string, failure: unknown, name: string): NovaError {
  if (failure instanceof NovaError) return failure;
  if (code === 1001 || code === 1012)
    return new NovaError('shutting_down', `The daemon at ${name} is ending.`, { details: { closed: code } });
  if (code === 1009) return new NovaError('payload_too_large', 'The message is longer than the daemon takes.');
  const why = failure instanceof Error ? failure.message : reason === '' ? 'the connection was lost' : reason;
  return connectionError(name, new Error(why, { cause: failure }));
}

function remoteSocket(socket: WebSocket): RemoteSocket {
  const isOpen = (): boolean => socket.readyState === socket.OPEN;
  return {
    get closing() {
      return !isOpen();
    },
    send(value) {
      const text = JSON.stringify(value);
      if (Buffer.byteLength(text) > maxMessageBytes) {
        throw new NovaError('payload_too_large', 'The command and its environment are longer than the daemon takes.');
      }
      if (isOpen()) socket.send(text);
    },
    async sendBytes(bytes) {
      let sent = 0;
      while (sent < bytes.length && isOpen()) {
        const piece = bytes.subarray(sent, sent + pieceBytes);
        const isLast = sent + piece.length === bytes.length;
        if (socket.bufferedAmount < enoughSentBytes && !isLast) socket.send(piece);
        // The last piece of each write is waited for: what the caller does next may be to end the process.
        else if (!(await new Promise<boolean>((resolve) => socket.send(piece, (error) => resolve(!error))))) break;
        sent += piece.length;
      }
      return sent;
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    async close() {
      if (socket.readyState === socket.CLOSED) return;
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      const timer = setTimeout(() => socket.terminate(), closeMs);
      socket.close(1000);
      // The daemon's answer comes after what is still on its way.
      if (socket.isPaused) socket.resume();
      await closed;
      clearTimeout(timer);
    },
    terminate: () => socket.terminate(),
    unref() {
      // Not part of ws's types: the connection below it.
      (socket as unknown as { readonly _socket?: { unref(): void } })._socket?.unref();
    },
  };
}
