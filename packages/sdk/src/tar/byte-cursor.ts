import { NovaError } from '@novasandbox/protocol';

/** Reads a byte stream by exact counts. */
export class ByteCursor {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /**
   * Returns exactly `count` bytes, which the caller has bounded; null when the stream ends before the first of them.
   */
  async take(count: number): Promise<Uint8Array | null> {
    if (!(await this.#fill())) return null;
    if (this.#rest.length >= count) return this.#split(count);
    const taken = new Uint8Array(count);
    let at = 0;
    for await (const part of this.parts(count)) {
      taken.set(part, at);
      at += part.length;
    }
    return taken;
  }

  /** Yields the next `count` bytes as they arrive. */
  async *parts(count: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = count; left > 0;) {
      if (!(await this.#fill())) {
        throw new NovaError('guest_protocol_error', 'The archive ends in the middle of an entry.');
      }
      const part = this.#split(Math.min(left, this.#rest.length));
      left -= part.length;
      yield part;
    }
  }

  async skip(count: number): Promise<void> {
    for await (const _ of this.parts(count));
  }

  /** Reads to the end, so that the sender can finish. */
  async drain(): Promise<void> {
    while (await this.#fill()) this.#rest = new Uint8Array(0);
  }

  /** Tells the source that nobody reads any further. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  #split(count: number): Uint8Array {
    const part = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return part;
  }

  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#source.next();
      if (next.done === true) return false;
      this.#rest = next.value;
    }
    return true;
  }
}
