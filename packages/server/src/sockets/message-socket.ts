import type { WebSocket } from 'ws';

export type Message = { readonly text: string } | { readonly bytes: Uint8Array };

/** A WebSocket with an end to what it holds: it stops reading when messages pile up, and `send` waits when the client does not read. */
export interface MessageSocket {
  readonly messages: AsyncIterable<Message>;
  /** Aborted when the connection has ended. */
  readonly signal: AbortSignal;
  sendText(value: unknown): Promise<void>;
  sendBytes(bytes: Uint8Array, channel?: number): Promise<void>;
  close(code: number, reason?: string): void;
}

const inboxBytes = 256 * 1024;
/** Memory that a message takes up beside its bytes. */
const messageBytes = 128;
const outboxBytes = 1024 * 1024;
const pingMs = 5000;
/** So many pings in a row without a word, and nobody is there. */
const maxSilentPings = 6;

export function messageSocket(socket: WebSocket, beatMs: number = pingMs): MessageSocket {
  const ended = new AbortController();
  const inbox: Message[] = [];
  let held = 0;
  let wake: (() => void) | undefined;

  const size = (message: Message): number =>
    messageBytes + ('text' in message ? message.text.length : message.bytes.length);
  socket.on('message', (data: Buffer, isBinary) => {
    const message: Message = isBinary ? { bytes: data } : { text: data.toString() };
    inbox.push(message);
    held += size(message);
    if (held > inboxBytes) socket.pause();
    wake?.();
  });
  const end = (): void => {
    clearInterval(heartbeat);
    ended.abort();
    wake?.();
  };
  // A client that has vanished without a word is noticed by its silence. While the socket rests its end is not read either: then the pings
  // themselves are refused by the client's host, within two of them.
  let silentPings = 0;
  const heartbeat = setInterval(() => {
    if (socket.isPaused) silentPings = 0;
    if (silentPings >= maxSilentPings) return socket.terminate();
    silentPings += 1;
    socket.ping();
  }, beatMs);
  heartbeat.unref();
  socket.on('pong', () => (silentPings = 0));
  socket.on('close', end);
  socket.on('error', () => socket.terminate());

  const send = async (data: string | Uint8Array): Promise<void> => {
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount < outboxBytes) return socket.send(data);
    // Resolved when it has been handed to the system; a connection that ends calls back too.
    await new Promise<void>((resolve) => socket.send(data, () => resolve()));
  };
  return {
    signal: ended.signal,
    messages: (async function* () {
      for (;;) {
        const message = inbox.shift();
        if (message !== undefined) {
          held -= size(message);
          if (held <= inboxBytes / 2 && socket.isPaused) socket.resume();
          yield message;
        } else {
          if (ended.signal.aborted) return;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    })(),
    sendText: (value) => send(JSON.stringify(value)),
    sendBytes: (bytes, channel) => send(channel === undefined ? bytes : Buffer.concat([Uint8Array.of(channel), bytes])),
    close: (code, reason) => {
      socket.close(code, reason);
      // A paused socket would never see the client's answer.
      if (socket.isPaused) socket.resume();
    },
  };
}
