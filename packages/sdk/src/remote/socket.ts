import { NovaError } from '@novasandbox/protocol';
import { routes } from '@novasandbox/protocol/api';
import { WebSocket } from 'ws';
import type { Endpoint } from './address.ts';
import { cancelled, connectionError, errorOfAnswer } from './remote-error.ts';
import { pathOf, type Operation, type Params, type Query } from './route-path.ts';
import { withResolvers } from '../with-resolvers.ts';

export interface SocketListener {
  message(value: unknown): void;
  bytes(bytes: Buffer): void;
  /** Called once, as the last call. Null: the daemon closed the socket because everything was said. */
  over(error: NovaError | null): void;
  /** Called when the engine, and the socket with it, is being closed: the last chance to send something. */
  goodbye?(): void;
}

/** A WebSocket of the contract. `pause` also stops the daemon, once the connection's own buffers are full. */
export interface RemoteSocket {
  send(value: unknown): void;
  /**
   * Resolves when the system has taken the bytes, with their number: fewer than given if the socket ends. The call
   * waits while the daemon does not take data.
   */
  sendBytes(bytes: Uint8Array): Promise<number>;
  pause(): void;
  resume(): void;
  /** Whether the socket is closing; messages that arrive from then on are dropped. */
  readonly closing: boolean;
  /**
   * Closes it after everything sent so far; resolves when the daemon has confirmed that, or its time limit has passed.
   */
  close(): Promise<void>;
  terminate(): void;
  /** From now on the socket does not keep the process alive. */
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
/** The daemon accepts no longer messages. */
const maxMessageBytes = 1024 * 1024;
const pieceBytes = 64 * 1024;
const enoughSentBytes = 256 * 1024;

/** Opens WebSockets of an endpoint and keeps track of them, so that closing the engine closes them. */
export function createSockets(endpoint: Endpoint): { readonly open: OpenSocket; close(): Promise<void> } {
  const open = new Map<WebSocket, () => Promise<void>>();
  return {
    async close() {
      await Promise.all([...open.values()].map((leave) => leave()));
    },
    async open(operation, params, { query = {}, signal }, listen) {
      if (signal?.aborted === true) throw cancelled(signal);
      const path = endpoint.prefix + pathOf(routes[operation], params, query);
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

/** Waits for the handshake. Any other response contains the error. */
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
      failure ??= new NovaError('server_unreachable', `The daemon at ${name} has sent an invalid message.`, {
        cause: error,
      });
      socket.terminate();
    }
  });
  // Before the socket is open, the error is reported to the caller that opens it.
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
    return new NovaError('shutting_down', `The daemon at ${name} is shutting down.`, { details: { closed: code } });
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
        // The last piece of each write is awaited: the caller may end the process next.
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
      // The daemon's close frame comes after the data that is still on its way.
      if (socket.isPaused) socket.resume();
      await closed;
      clearTimeout(timer);
    },
    terminate: () => socket.terminate(),
    unref() {
      // `_socket`, the underlying connection, is not part of ws's types.
      (socket as unknown as { readonly _socket?: { unref(): void } })._socket?.unref();
    },
  };
}
