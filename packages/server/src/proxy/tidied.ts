import { Duplex } from 'node:stream';
import { BadHead, requireStatusLine, tidyHead } from './response-head.ts';

const firstRoom = Buffer.alloc(0);
/** Answers that come before the answer: more of them than any server has reason to send. */
const maxInterim = 32;

/**
 * A connection to a guest's web server, whose next answer has a head that Node's strict parser takes (response-head.ts); answers before that, such as 103, are left out. All after
 * the head passes as it is. Destroyed with BadHead.
 */
export class Tidied extends Duplex {
  readonly #tunnel: Duplex;
  readonly #headerBytes: number;
  /** Room for the head, and how much of it has come; null once it has gone on. */
  #held: Buffer | null = firstRoom;
  #length = 0;
  /** Where the line begins that is not whole yet, and how far it was looked at. */
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
      // What has come before a proper end may still have to be read.
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

  /** However small the pieces are that a head comes in, each byte of it is copied but a few times. */
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
      // Empty lines before a head are passed over, as every parser does.
      if (begins || !this.#passOn(held.toString('latin1', 0, end).trimEnd(), rest)) this.#startAgain(rest);
    }
  }

  #startAgain(rest: Buffer): void {
    if (++this.#interim > maxInterim) throw new BadHead('it says for ever that its answer is to come');
    this.#held = firstRoom;
    this.#length = this.#line = this.#seen = 0;
    this.#hold(rest);
  }

  /** Passes on the head and what has come after it; false where it only says that the answer is to come. */
  #passOn(said: string, rest: Buffer): boolean {
    const { status, text } = tidyHead(said);
    if (status >= 100 && status < 200 && status !== 101) return false;
    this.#held = null;
    this.push(Buffer.from(text, 'latin1'));
    if (rest.length > 0 && !this.push(rest)) this.#tunnel.pause();
    return true;
  }
}
