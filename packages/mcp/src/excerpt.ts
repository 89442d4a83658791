/** Output as a model gets it: its beginning and its end, with the offsets of what is missing between them. */
export interface Shown {
  readonly text: string;
  /** Bytes between the beginning and the end that `text` lacks. */
  readonly omitted: number;
  /** Offset of the first byte that `text` lacks. */
  readonly omittedFrom: number;
}

/**
 * Keeps the beginning and the end of a stream of any length in bounded memory: models read what a command says first
 * and last, and hosts refuse results above a size.
 */
export class Excerpt {
  readonly #most: number;
  readonly #start: number;
  readonly #head: Uint8Array[] = [];
  #headBytes = 0;
  #tail: Uint8Array[] = [];
  #tailBytes = 0;
  #total = 0;

  /** @param most the bytes to keep; @param start the offset at which the stream begins */
  constructor(most: number, start = 0) {
    this.#most = most;
    this.#start = start;
  }

  /** All bytes so far. */
  get total(): number {
    return this.#total;
  }

  add(bytes: Uint8Array): void {
    this.#total += bytes.length;
    const fitting = Math.min(bytes.length, (this.#most >> 1) - this.#headBytes);
    if (fitting > 0) {
      this.#head.push(bytes.slice(0, fitting));
      this.#headBytes += fitting;
    }
    const rest = fitting > 0 ? bytes.subarray(fitting) : bytes;
    if (rest.length === 0) return;
    this.#tail.push(rest.slice());
    this.#tailBytes += rest.length;
    // Twice the bytes are kept before any are dropped, so that dropping costs little for each of them.
    if (this.#tailBytes > this.#most) this.#dropOld();
  }

  #dropOld(): void {
    const kept = Buffer.concat(this.#tail).subarray(-(this.#most >> 1));
    this.#tail = [Uint8Array.from(kept)];
    this.#tailBytes = kept.length;
  }

  show(): Shown {
    const head = Buffer.concat(this.#head);
    const dropped = this.#total - head.length - this.#tailBytes;
    const all = Buffer.concat(this.#tail);
    const tail = dropped > 0 || all.length > this.#most >> 1 ? all.subarray(-(this.#most >> 1)) : all;
    const omitted = this.#total - head.length - tail.length;
    if (omitted === 0) return { text: Buffer.concat([head, tail]).toString(), omitted, omittedFrom: this.#start };
    const whole = withoutCutEnd(head);
    const rest = withoutCutStart(tail);
    const missing = this.#total - whole.length - rest.length;
    const from = this.#start + whole.length;
    const mark = `\n[... ${missing} bytes left out, from offset ${from} on ...]\n`;
    return { text: whole.toString() + mark + rest.toString(), omitted: missing, omittedFrom: from };
  }
}

const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;
/** The most bytes of a character in UTF-8 after its first one. */
const mostContinuations = 3;

/** Leaves out a character whose end is missing. */
function withoutCutEnd(bytes: Buffer): Buffer {
  let first = bytes.length - 1;
  for (let steps = 0; steps < mostContinuations && isContinuation(bytes[first]); steps++) first--;
  const lead = bytes[first] ?? 0;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  return first >= 0 && first + length > bytes.length ? bytes.subarray(0, first) : bytes;
}

/** Leaves out the rest of a character whose beginning is missing. */
function withoutCutStart(bytes: Buffer): Buffer {
  let first = 0;
  while (first < mostContinuations && isContinuation(bytes[first])) first++;
  return bytes.subarray(first);
}
