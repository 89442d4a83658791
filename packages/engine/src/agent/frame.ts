import { protocolError } from './errors.ts';
import { bytes, frameKinds, limits } from './numbers.ts';

/**
 * Frames of the guest channel (guest/PROTOCOL.md): u32 length, u8 kind, u32 stream, payload, END_MARK; little-endian.
 */

/** The most bytes of a payload. */
export const MAX_PAYLOAD = limits.payload;
/** The most bytes that one DATA frame carries: its payload begins with the channel. */
export const MAX_DATA = MAX_PAYLOAD - 1;
export const END_MARK = bytes.endMark;
/** Bytes of a frame around its payload. */
export const FRAME_OVERHEAD = 10;
/** The DATA bytes that either side of a fresh stream may send before it has been granted more. */
export const INITIAL_CREDIT = limits.credit;
/** The most bytes of a payload that is sent in parts. */
export const MAX_JOINED = limits.joined;
/** The most streams that a session may have open at once. */
export const MAX_STREAMS = limits.streams;

const HEADER = 9;
const EMPTY = Buffer.alloc(0);

/**
 * Encodes a frame as one buffer, so that it takes one write and the caller may change its bytes afterwards. `lead` is
 * the first byte of the payload (method, channel or type), null where the kind has none.
 */
export function encodeFrame(kind: number, stream: number, lead: number | null, body: Uint8Array = EMPTY): Buffer {
  const length = body.length + (lead === null ? 0 : 1);
  if (length > MAX_PAYLOAD) throw new RangeError(`A frame's payload has ${length} bytes, more than ${MAX_PAYLOAD}.`);
  const frame = Buffer.allocUnsafe(FRAME_OVERHEAD + length);
  frame.writeUInt32LE(length, 0);
  frame[4] = kind;
  frame.writeUInt32LE(stream, 5);
  let at = HEADER;
  if (lead !== null) frame[at++] = lead;
  frame.set(body, at);
  frame[HEADER + length] = END_MARK;
  return frame;
}

/**
 * Encodes a payload of up to MAX_JOINED bytes: as one frame, or as PARTs and the frame, in one buffer because nothing
 * may come between them.
 */
export function encodeJoined(kind: number, stream: number, lead: number, body: Uint8Array): Buffer {
  if (body.length < MAX_PAYLOAD) return encodeFrame(kind, stream, lead, body);
  const frames = [encodeFrame(frameKinds.part, stream, lead, body.subarray(0, MAX_PAYLOAD - 1))];
  let at = MAX_PAYLOAD - 1;
  for (; body.length - at > MAX_PAYLOAD; at += MAX_PAYLOAD) {
    frames.push(encodeFrame(frameKinds.part, stream, null, body.subarray(at, at + MAX_PAYLOAD)));
  }
  frames.push(encodeFrame(kind, stream, null, body.subarray(at)));
  return Buffer.concat(frames);
}

/** Encodes a CREDIT frame: the guest may send `bytes` more on the stream. */
export function encodeCredit(stream: number, bytes: number): Buffer {
  const body = Buffer.allocUnsafe(4);
  body.writeUInt32LE(bytes, 0);
  return encodeFrame(frameKinds.credit, stream, null, body);
}

/** Called for each frame. `payload` may be a view of the chunk that it came in. */
export type FrameListener = (kind: number, stream: number, payload: Buffer) => void;

/**
 * Cuts a byte stream into frames. A frame that lies whole in a chunk is a view of that chunk. Any other is gathered
 * in a buffer of exactly its size, so that the cost of a chunk grows only with its own length, however finely the
 * guest slices what it sends.
 */
export class FrameDecoder {
  readonly #listener: FrameListener;
  readonly #header = Buffer.allocUnsafe(HEADER);
  #headerFilled = 0;
  /** The frame that is being gathered, header included; null between frames and inside a header. */
  #frame: Buffer | null = null;
  #filled = 0;

  constructor(listener: FrameListener) {
    this.#listener = listener;
  }

  /** Whether everything pushed so far ended at a frame boundary. */
  get atBoundary(): boolean {
    return this.#frame === null && this.#headerFilled === 0;
  }

  /** Takes the next bytes and calls the listener for each frame they complete. Throws `guest_protocol_error`. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#frame !== null) at = this.#gather(this.#frame, chunk, at);
      else if (this.#headerFilled > 0 || chunk.length - at < HEADER) at = this.#gatherHeader(chunk, at);
      else {
        const length = payloadLength(chunk, at);
        const end = at + FRAME_OVERHEAD + length;
        if (end <= chunk.length) {
          this.#emit(chunk, at, length);
          at = end;
        } else {
          this.#frame = Buffer.allocUnsafe(FRAME_OVERHEAD + length);
          this.#filled = 0;
        }
      }
    }
  }

  #gatherHeader(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#header, this.#headerFilled, at);
    this.#headerFilled += taken;
    if (this.#headerFilled === HEADER) {
      const frame = Buffer.allocUnsafe(FRAME_OVERHEAD + payloadLength(this.#header, 0));
      this.#filled = this.#header.copy(frame);
      this.#frame = frame;
      this.#headerFilled = 0;
    }
    return at + taken;
  }

  #gather(frame: Buffer, chunk: Buffer, at: number): number {
    const taken = chunk.copy(frame, this.#filled, at);
    this.#filled += taken;
    if (this.#filled === frame.length) {
      this.#frame = null;
      this.#emit(frame, 0, frame.length - FRAME_OVERHEAD);
    }
    return at + taken;
  }

  #emit(chunk: Buffer, at: number, length: number): void {
    const start = at + HEADER;
    if (chunk[start + length] !== END_MARK) throw protocolError('a frame does not end with its mark');
    this.#listener(chunk[at + 4] ?? 0, chunk.readUInt32LE(at + 5), chunk.subarray(start, start + length));
  }
}

/** Joins PARTs with the frame they belong to, in one buffer that never exceeds MAX_JOINED. */
export class PartJoiner {
  #stream = 0;
  #joined: Buffer | null = null;
  #length = 0;

  /**
   * Gives the whole payload, or null after a PART. Throws `guest_protocol_error` when something else comes between.
   */
  join(kind: number, stream: number, payload: Buffer): Buffer | null {
    if (kind !== frameKinds.part && this.#joined === null) return payload;
    if (this.#joined !== null && stream !== this.#stream)
      throw protocolError('a frame of another stream follows a part');
    this.#append(payload);
    if (kind === frameKinds.part) {
      this.#stream = stream;
      return null;
    }
    if (!joinable.has(kind)) throw protocolError(`a frame of kind ${kind} follows a part`);
    const whole = this.#joined?.subarray(0, this.#length) ?? null;
    this.#joined = null;
    this.#length = 0;
    return whole;
  }

  /** Copies the bytes: views of a few bytes each would keep their whole chunks alive. */
  #append(payload: Buffer): void {
    const length = this.#length + payload.length;
    if (length > MAX_JOINED) throw protocolError(`parts of more than ${MAX_JOINED} bytes`);
    if (this.#joined === null || length > this.#joined.length) {
      const larger = Buffer.allocUnsafe(Math.min(MAX_JOINED, Math.max(4 * MAX_PAYLOAD, length * 2)));
      this.#joined?.copy(larger, 0, 0, this.#length);
      this.#joined = larger;
    }
    this.#joined.set(payload, this.#length);
    this.#length = length;
  }
}

const joinable: ReadonlySet<number> = new Set([
  frameKinds.open,
  frameKinds.message,
  frameKinds.result,
  frameKinds.error,
]);

function payloadLength(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32LE(at);
  if (length > MAX_PAYLOAD) throw protocolError(`a frame announces ${length} bytes, more than ${MAX_PAYLOAD}`);
  return length;
}
