import { protocolError } from './errors.ts';

/** Frames of the guest channel (guest/PROTOCOL.md): u32 length, u8 kind, u32 stream, payload, END_MARK; little-endian. */

/** Most bytes of a payload. */
export const MAX_PAYLOAD = 32_768;
/** Most bytes one DATA frame carries: its payload begins with the channel. */
export const MAX_DATA = MAX_PAYLOAD - 1;
export const END_MARK = 0x5a;
/** Bytes of a frame around its payload. */
export const FRAME_OVERHEAD = 10;
/** DATA bytes either side of a fresh stream may send before it has been granted more. */
export const INITIAL_CREDIT = 262_144;
/** Most bytes of a payload that is sent in parts. */
export const MAX_JOINED = 1_048_576;
/** Streams a session may have open at once. */
export const MAX_STREAMS = 1024;

const HEADER = 9;
const EMPTY = Buffer.alloc(0);

export const frameKinds = {
  open: 1,
  data: 2,
  message: 3,
  credit: 4,
  finish: 5,
  result: 6,
  error: 7,
  cancel: 8,
  part: 9,
} as const;

/**
 * One frame as one buffer, so that it takes one write and the caller's bytes are free to change afterwards.
 * `lead` is the payload's first byte (method, channel or type), null where the kind has none.
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
 * A payload of any length up to MAX_JOINED: one frame, or PARTs and the frame, as one buffer because nothing may come between them.
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

/** A CREDIT frame: the guest may send `bytes` more on the stream. */
export function encodeCredit(stream: number, bytes: number): Buffer {
  const body = Buffer.allocUnsafe(4);
  body.writeUInt32LE(bytes, 0);
  return encodeFrame(frameKinds.credit, stream, null, body);
}

/** What a decoder found. `payload` may be a view of the chunk it came in. */
export type FrameListener = (kind: number, stream: number, payload: Buffer) => void;

/**
 * Cuts a byte stream into frames. A frame that lies whole in a chunk is a view of that chunk; one that does not is gathered in a buffer
 * of exactly its size, so the cost of a chunk grows with its own length only, however finely the guest slices what it sends.
 */
export class FrameDecoder {
  readonly #listener: FrameListener;
  readonly #header = Buffer.allocUnsafe(HEADER);
  #headerFilled = 0;
  /** The frame being gathered, header included; null between frames and inside a header. */
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

  #emit(bytes: Buffer, at: number, length: number): void {
    const start = at + HEADER;
    if (bytes[start + length] !== END_MARK) throw protocolError('a frame does not end with its mark');
    this.#listener(bytes[at + 4] ?? 0, bytes.readUInt32LE(at + 5), bytes.subarray(start, start + length));
  }
}

/** Joins PARTs with the frame they belong to, in one buffer that never exceeds MAX_JOINED. */
export class PartJoiner {
  #stream = 0;
  #joined: Buffer | null = null;
  #length = 0;

  /** The whole payload; null after a PART. Throws `guest_protocol_error` when something else comes between. */
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

  /** Copies: views of a few bytes each would keep their whole chunks alive. */
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
