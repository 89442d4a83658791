import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { NovaError } from '@novasandbox/protocol';
import { protocolError } from './errors.ts';
import { FRAME_OVERHEAD, MAX_PAYLOAD } from './frame.ts';
import { bytes, limits } from './numbers.ts';

/** 0xFF "NOVAGC1". No frame starts with it: its length would exceed the limit. */
export const MAGIC = Buffer.from([0xff, 0x4e, 0x4f, 0x56, 0x41, 0x47, 0x43, 0x31]);
export const LOWEST_VERSION = bytes.lowestVersion;
export const HIGHEST_VERSION = bytes.highestVersion;
export const NONCE_LENGTH = limits.nonce;
/** The bytes of filler, which end a frame that an earlier session cut short. */
export const FLUSH_LENGTH = limits.flush;
/** The bytes of an earlier session that are discarded before the host gives up. */
const MAX_DISCARDED = 64 * 1024 * 1024;
const ECHO_LENGTH = MAGIC.length + 2 + NONCE_LENGTH;

/** Encodes the bytes with which the host opens a session, in one buffer. */
export function encodeHello(nonce: Uint8Array, flush: boolean): Buffer {
  const filler = flush ? FLUSH_LENGTH : 0;
  const hello = Buffer.alloc(filler + ECHO_LENGTH, 0xff);
  hello.set(MAGIC, filler);
  hello[filler + MAGIC.length] = LOWEST_VERSION;
  hello[filler + MAGIC.length + 1] = HIGHEST_VERSION;
  hello.set(nonce, filler + MAGIC.length + 2);
  return hello;
}

/** Looks for the guest's echo of a nonce among bytes that an earlier session may have left in the channel. */
export class EchoHunter {
  readonly #nonce: Uint8Array;
  #tail = Buffer.alloc(0);
  #discarded = 0;

  constructor(nonce: Uint8Array) {
    this.#nonce = nonce;
  }

  /**
   * Gives the chosen version and the bytes after the echo, or null while the echo has not come. Throws
   * `guest_protocol_error`.
   */
  push(chunk: Buffer): { readonly version: number; readonly rest: Buffer } | null {
    const bytes = this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk]);
    for (let at = bytes.indexOf(MAGIC); at >= 0; at = bytes.indexOf(MAGIC, at + 1)) {
      const end = at + ECHO_LENGTH;
      if (end > bytes.length) break;
      // The reserved byte is 0 in an echo and a version in a hello: a channel that only reflects is not a guest.
      const reserved = bytes[at + MAGIC.length + 1];
      if (reserved === 0 && bytes.subarray(end - NONCE_LENGTH, end).equals(this.#nonce)) {
        return { version: checkVersion(bytes[at + MAGIC.length] ?? 0), rest: bytes.subarray(end) };
      }
    }
    // An echo that is not whole yet can have at most all but its last byte here.
    this.#tail = Buffer.from(bytes.subarray(Math.max(0, bytes.length - (ECHO_LENGTH - 1))));
    this.#discarded += chunk.length;
    if (this.#discarded > MAX_DISCARDED) throw protocolError('the handshake was not answered within 64 MiB');
    return null;
  }
}

function checkVersion(version: number): number {
  if (version === 0) {
    throw new NovaError('guest_protocol_error', 'The agent in the guest speaks no version of the channel known here.', {
      hint: 'The agent and the host are of different releases: build the template or the snapshot again.',
    });
  }
  if (version < LOWEST_VERSION || version > HIGHEST_VERSION) {
    throw protocolError(`it chose version ${version} of ${LOWEST_VERSION} to ${HIGHEST_VERSION}`);
  }
  return version;
}

/**
 * Announces a session and waits for the echo. Resolves to the bytes that have already come after it; the stream is
 * then paused. Rejects with `guest_unreachable` when the stream ends, and with `guest_protocol_error`. For a time
 * limit or an abort the caller destroys the stream.
 */
export function shakeHands(stream: Duplex, flush: boolean): Promise<Buffer> {
  const nonce = randomBytes(NONCE_LENGTH);
  const hunter = new EchoHunter(nonce);
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      stream.off('data', onData);
      stream.off('end', onLost);
      stream.off('error', onLost);
      stream.off('close', onLost);
    };
    const onLost = (cause?: unknown): void => {
      settle();
      reject(
        new NovaError(
          'guest_unreachable',
          'The channel to the guest closed during the handshake.',
          cause === undefined ? {} : { cause },
        ),
      );
    };
    const onData = (chunk: Buffer): void => {
      try {
        const echo = hunter.push(chunk);
        if (echo === null) return;
        settle();
        stream.pause();
        resolve(echo.rest);
      } catch (error) {
        settle();
        reject(error);
      }
    };
    stream.on('end', onLost);
    stream.on('error', onLost);
    stream.on('close', onLost);
    stream.on('data', onData);
    if (stream.destroyed || stream.readableEnded || !stream.writable) onLost();
    else stream.write(encodeHello(nonce, flush));
  });
}

// The filler has to outlast the largest frame.
if (FLUSH_LENGTH < MAX_PAYLOAD + FRAME_OVERHEAD) throw new Error('FLUSH_LENGTH is shorter than a frame.');
