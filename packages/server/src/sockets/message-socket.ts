import type { WebSocket } from 'ws';

export type Message = { readonly text: string } | { readonly bytes: Uint8Array };

/**
 * A WebSocket with bounded buffers: it stops reading when messages pile up, and `send` waits when the client does not
 * read.
 */
export interface MessageSocket {
  readonly messages: AsyncIterable<Message>;
  /** Aborts when the connection has ended. */
  readonly signal: AbortSignal;
  sendText(value: unknown): Promise<void>;
  sendBytes(bytes: Uint8Array, channel?: number): Promise<void>;
  close(code: number, reason?: string): void;
}

const inboxBytes = 256 * 1024;
/** Estimated memory of a message beside its bytes. */
const messageBytes = 128;
const outboxBytes = 1024 * 1024;
const pingMs = 5000;
/** After this many unanswered pings in a row the client counts as gone. */
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
  // Unanswered pings reveal a client that vanished without closing. A paused socket reads neither pongs nor the end of
  // the connection; then the client's host refuses the pings themselves, within two of them.
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
    // Resolves when the data has been handed to the system. The callback also runs when the connection ends.
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
      // A paused socket would not read the client's close frame.
      if (socket.isPaused) socket.resume();
    },
  };
}
