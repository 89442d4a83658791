import type { Socket } from 'node:net';
import { beginsTls, readClientHello, type ClientHello } from './client-hello.ts';

/** The protocol that the first bytes of a connection belong to. */
export type Content =
  | ({ readonly kind: 'tls' } & ClientHello)
  | { readonly kind: 'http' }
  | { readonly kind: 'other' }
  /** It began as TLS and is none, or did not come in time or in a sensible size. */
  | { readonly kind: 'malformed'; readonly why: string };

/** A ClientHello with keys after quantum computers is below 2 KiB; some send more. */
const mostBytes = 16 << 10;
/** A longer line is none of HTTP that we would pass on. */
const longestRequestLine = 8 << 10;
/** How long a client may take from its first byte, ms. */
const completeWithinMs = 5000;

/** Tells what the bytes are; null while there are too few of them. */
export function contentOf(bytes: Buffer, isEnded: boolean): Content | null {
  if (bytes.length === 0) return isEnded ? { kind: 'other' } : null;
  if (beginsTls(bytes)) {
    const hello = readClientHello(bytes);
    if (hello === 'malformed') return { kind: 'malformed', why: 'It is no TLS handshake.' };
    if (hello !== 'incomplete') return { kind: 'tls', ...hello };
    return isEnded || bytes.length >= mostBytes ? { kind: 'malformed', why: 'Its TLS handshake has no end.' } : null;
  }
  // A lone first byte may still become TLS.
  if (bytes.length === 1 && bytes[0] === 22 && !isEnded) return null;
  return requestLine(bytes, isEnded);
}

/** HTTP/1 begins with `METHOD target HTTP/1.x`, which servers also find after empty lines. */
function requestLine(all: Buffer, isEnded: boolean): Content | null {
  const start = all.findIndex((byte) => byte !== 0x0d && byte !== 0x0a);
  if (start < 0) return isEnded || all.length >= longestRequestLine ? { kind: 'other' } : null;
  const bytes = all.subarray(start);
  const end = bytes.indexOf('\n');
  const line = bytes.toString('latin1', 0, end < 0 ? Math.min(bytes.length, longestRequestLine) : end);
  if (!/^[A-Z][A-Z-]{0,31}(?: |$)/.test(line)) return { kind: 'other' };
  if (end >= 0) return { kind: / HTTP\/1\.\d\r?$/.test(line) ? 'http' : 'other' };
  if (bytes.length >= longestRequestLine) return { kind: 'malformed', why: 'Its request line has no end.' };
  return isEnded ? { kind: 'other' } : null;
}

/** The beginning of a connection. */
export interface Beginning {
  readonly content: Content;
  /** The bytes that were read of it, which have to be passed on. */
  readonly head: Buffer;
}

/**
 * Waits until it is clear what a client sends. Null: it was silent for `silentMs`, and nothing was read. Rejects when
 * the connection is closed.
 */
export function peek(socket: Socket, silentMs: number): Promise<Beginning | null> {
  const { promise, resolve, reject } = Promise.withResolvers<Beginning | null>();
  let head: Buffer = Buffer.alloc(0);
  let isEnded = false;
  const finish = (content: Content): void => {
    stop();
    resolve({ content, head });
  };
  let timer = setTimeout(() => {
    stop();
    resolve(null);
  }, silentMs);
  const onLate = (): void =>
    finish(beginsTls(head) ? { kind: 'malformed', why: 'Its TLS handshake did not come in time.' } : { kind: 'other' });
  const look = (): void => {
    const content = contentOf(head, isEnded);
    if (content !== null) finish(content);
  };
  const onReadable = (): void => {
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
      if (head.length === 0) {
        clearTimeout(timer);
        timer = setTimeout(onLate, completeWithinMs);
      }
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    }
    look();
  };
  const onEnd = (): void => {
    isEnded = true;
    look();
  };
  const onClose = (): void => {
    stop();
    reject(new Error('The connection was closed.'));
  };
  const stop = (): void => {
    clearTimeout(timer);
    socket.off('readable', onReadable).off('end', onEnd).off('close', onClose);
  };
  socket.on('readable', onReadable).on('end', onEnd).on('close', onClose);
  if (socket.destroyed) onClose();
  else if (socket.readableEnded) onEnd();
  else onReadable();
  return promise;
}
