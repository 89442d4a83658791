import { Duplex } from 'node:stream';
import { BadHead, requireStatusLine, tidyHead } from './response-head.ts';

const firstRoom = Buffer.alloc(0);
/** Maximum of interim answers before the final one. No server has reason to send that many. */
const maxInterim = 32;

/**
 * A connection to a guest's web server. It rewrites the head of the next answer so that Node's strict parser accepts it
 * (response-head.ts), and drops interim answers before it, such as 103. Everything after the head passes unchanged. A
 * head that is refused destroys the connection with BadHead.
 */
export class Tidied extends Duplex {
  readonly #tunnel: Duplex;
  readonly #headerBytes: number;
  /** Buffer for the head; null once the head has been passed on. `#length` is the number of bytes received. */
  #held: Buffer | null = firstRoom;
  #length = 0;
  /** Start of the line that is not complete yet, and the position up to which its end was searched. */
  #line = 0;
  #seen = 0;
  #interim = 0;

  constructor(tunnel: Duplex, headerBytes: number) {
    super({ allowHalfOpen: true });
    this.#tunnel = tunnel;
    this.#headerBytes = headerBytes;
    tunnel.on('data', (chunk: Buffer) => this.#take(chunk));
    tunnel.on('end', () => this.push(null));
    tunnel.on('error', (error) => this.destroy(error));
    tunnel.on('close', () => {
      // Data that arrived before a proper end may still have to be read.
      if (!tunnel.readableEnded) this.destroy();
    });
  }

  override _read(): void {
    this.#tunnel.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#tunnel.destroyed) done();
    else this.#tunnel.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#tunnel.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#tunnel.destroy();
    done(error);
  }

  #take(chunk: Buffer): void {
    if (this.destroyed) return;
    if (this.#held === null) {
      if (!this.push(chunk)) this.#tunnel.pause();
      return;
    }
    try {
      this.#hold(chunk);
      this.#findHead();
    } catch (error) {
      this.destroy(error instanceof Error ? error : new BadHead(String(error)));
    }
  }

  /** Appends to the buffer, whose size doubles: each byte is copied only a few times, however small the chunks are. */
  #hold(chunk: Buffer): void {
    const needed = this.#length + chunk.length;
    let held = this.#held ?? firstRoom;
    if (needed > held.length) {
      held = Buffer.allocUnsafe(Math.max(needed, 2 * held.length, 4096));
      this.#held?.copy(held, 0, 0, this.#length);
    }
    chunk.copy(held, this.#length);
    this.#held = held;
    this.#length = needed;
  }

  /** Looks for the empty line that ends a head. */
  #findHead(): void {
    while (this.#held !== null) {
      const held = this.#held.subarray(0, this.#length);
      const end = held.indexOf(0x0a, this.#seen);
      const headEnds = end !== -1 && (end === this.#line || (end === this.#line + 1 && held[this.#line] === 0x0d));
      if ((end === -1 ? held.length : end) > this.#headerBytes) throw new BadHead('its headers are too large');
      if (end === -1) {
        this.#seen = held.length;
        return;
      }
      const begins = this.#line === 0;
      this.#line = this.#seen = end + 1;
      if (!headEnds) {
        if (begins) requireStatusLine(held.toString('latin1', 0, end));
        continue;
      }
      const rest = held.subarray(end + 1);
      // Empty lines before a head are ignored, as every parser does.
      if (begins || !this.#passOn(held.toString('latin1', 0, end).trimEnd(), rest)) this.#startAgain(rest);
    }
  }

  #startAgain(rest: Buffer): void {
    if (++this.#interim > maxInterim) throw new BadHead('it sends too many interim answers');
    this.#held = firstRoom;
    this.#length = this.#line = this.#seen = 0;
    this.#hold(rest);
  }

  /**
   * Passes on the head and the bytes that came after it. Returns false for an interim answer, which is not passed on.
   */
  #passOn(said: string, rest: Buffer): boolean {
    const { status, text } = tidyHead(said);
    if (status >= 100 && status < 200 && status !== 101) return false;
    this.#held = null;
    this.push(Buffer.from(text, 'latin1'));
    if (rest.length > 0 && !this.push(rest)) this.#tunnel.pause();
    return true;
  }
}
