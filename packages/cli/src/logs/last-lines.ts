/** Keeps the last lines of a stream of bytes. An unfinished line counts as a line. */
export class LastLines {
  readonly #count: number;
  #kept: Buffer = Buffer.alloc(0);

  constructor(count: number) {
    this.#count = count;
  }

  add(bytes: Uint8Array): void {
    this.#kept = lastLines(Buffer.concat([this.#kept, bytes]), this.#count);
  }

  bytes(): Uint8Array {
    return this.#kept;
  }
}

const lineFeed = 10;

function lastLines(bytes: Buffer, count: number): Buffer {
  if (count === 0) return Buffer.alloc(0);
  // The final line feed does not begin a new line.
  let at = bytes.length - 1;
  for (let found = 0; found < count; found += 1) {
    at = at <= 0 ? -1 : bytes.lastIndexOf(lineFeed, at - 1);
    if (at < 0) return bytes;
  }
  return bytes.subarray(at + 1);
}

/** Returns the last lines of a text. */
export const lastLinesOf = (text: string, count: number): string => lastLines(Buffer.from(text), count).toString();
