import { duplexPair, type Duplex } from 'node:stream';
import type { GuestAgent } from '../../ports/guest-agent.ts';
import { openSession } from '../connect.ts';
import { FrameDecoder, PartJoiner, encodeFrame, encodeJoined } from '../frame.ts';
import { MAGIC, NONCE_LENGTH } from '../handshake.ts';
import { RecordWriter } from '../record.ts';
import { frameKinds } from '../numbers.ts';

/** A frame the host sent, PARTs joined. `lead` is the method, channel or type of the kinds that have one. */
export interface HostFrame {
  readonly kind: number;
  readonly stream: number;
  readonly lead: number;
  readonly body: Buffer;
}

const leads: ReadonlySet<number> = new Set([frameKinds.open, frameKinds.data, frameKinds.message]);

/**
 * The guest's end of a channel, at the level of frames, for behaviour that no real agent shows: garbage, floods,
 * silence, endless credit. It answers only the handshake; the test decides what else is sent.
 */
export class HostileGuest {
  /** Every frame of the host since the handshake. */
  readonly frames: HostFrame[] = [];
  readonly duplex: Duplex;
  readonly #decoder: FrameDecoder;
  readonly #parts = new PartJoiner();
  #hello = Buffer.alloc(0);
  #greeted = false;
  #taken = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #closed = Promise.withResolvers<void>();
  /** Whether the host has ended its side. */
  ended = false;
  /** The host's filler before the handshake, in bytes. */
  flushed = 0;

  /** `greet: false`: it does not even answer the handshake. */
  constructor(duplex: Duplex, { greet = true }: { readonly greet?: boolean } = {}) {
    this.duplex = duplex;
    this.#decoder = new FrameDecoder((kind, stream, part) => {
      const payload = this.#parts.join(kind, stream, part);
      if (payload === null) return;
      const hasLead = leads.has(kind);
      const lead = hasLead ? (payload[0] ?? 0) : 0;
      this.frames.push({ kind, stream, lead, body: payload.subarray(hasLead ? 1 : 0) });
      this.#wake();
    });
    duplex.on('data', (chunk: Buffer) => {
      if (this.#greeted) this.#decoder.push(chunk);
      else if (greet) this.#greet(chunk);
    });
    duplex.on('error', () => {});
    for (const event of ['end', 'close']) duplex.on(event, () => this.#onEnd());
  }

  /** Returns the host's next frame that was not returned before; fails when the host ends first. */
  async next(): Promise<HostFrame> {
    for (;;) {
      const frame = this.frames[this.#taken];
      if (frame !== undefined) {
        this.#taken++;
        return frame;
      }
      if (this.ended) throw new Error('The host has ended its side.');
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      await promise;
    }
  }

  /** Returns the next frame of one kind, and skips those before it. */
  async nextOf(kind: number): Promise<HostFrame> {
    for (;;) {
      const frame = await this.next();
      if (frame.kind === kind) return frame;
    }
  }

  /** Resolves when the host has ended its side. */
  end(): Promise<void> {
    return this.#closed.promise;
  }

  /** Writes bytes as they are; resolves when the channel has taken them, or the host has ended it. */
  async raw(bytes: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.duplex.write(bytes, () => resolve());
    await Promise.race([promise, this.#closed.promise]);
  }

  data(stream: number, channel: number, bytes: Uint8Array): Promise<void> {
    return this.raw(encodeFrame(frameKinds.data, stream, channel, bytes));
  }

  message(stream: number, type: number, fields = new RecordWriter()): Promise<void> {
    return this.raw(encodeJoined(frameKinds.message, stream, type, fields.finish()));
  }

  result(stream: number, fields = new RecordWriter()): Promise<void> {
    return this.raw(encodeFrame(frameKinds.result, stream, null, fields.finish()));
  }

  error(stream: number, code: string, message = ''): Promise<void> {
    const fields = new RecordWriter().string(1, code).string(2, message);
    return this.raw(encodeFrame(frameKinds.error, stream, null, fields.finish()));
  }

  credit(stream: number, bytes: number): Promise<void> {
    const body = Buffer.alloc(4);
    body.writeUInt32LE(bytes);
    return this.raw(encodeFrame(frameKinds.credit, stream, null, body));
  }

  #greet(chunk: Buffer): void {
    this.#hello = Buffer.concat([this.#hello, chunk]);
    const at = this.#hello.indexOf(MAGIC);
    const end = at + MAGIC.length + 2 + NONCE_LENGTH;
    if (at < 0 || this.#hello.length < end) return;
    this.flushed = at;
    this.#greeted = true;
    const nonce = this.#hello.subarray(end - NONCE_LENGTH, end);
    this.duplex.write(Buffer.concat([MAGIC, Buffer.from([1, 0]), nonce]));
    if (this.#hello.length > end) this.#decoder.push(this.#hello.subarray(end));
  }

  #onEnd(): void {
    this.ended = true;
    this.#closed.resolve();
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** A session with a hostile guest. */
export async function openHostile(): Promise<{ readonly agent: GuestAgent; readonly guest: HostileGuest }> {
  const [host, far] = duplexPair();
  const guest = new HostileGuest(far);
  const agent = await openSession(host, { flush: false });
  return { agent, guest };
}
