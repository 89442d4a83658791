const smallestPage = 1024;
const largestPage = 262_144;

/**
 * Keeps the newest `limit` bytes of a stream. Bytes are copied into pages that grow, so memory stays at about `limit`
 * bytes even if the guest writes one byte at a time or the chunks are views on large receive buffers.
 */
export class TailBuffer {
  readonly #limit: number;
  readonly #pages: { readonly bytes: Uint8Array; used: number }[] = [];
  #held = 0;
  #total = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Total number of bytes ever added. */
  get total(): number {
    return this.#total;
  }

  /** Whether bytes at the beginning have been dropped. */
  get truncated(): boolean {
    return this.#total > this.#limit;
  }

  add(bytes: Uint8Array): void {
    this.#total += bytes.length;
    let rest = bytes.length > this.#limit ? bytes.subarray(bytes.length - this.#limit) : bytes;
    while (rest.length > 0) {
      let page = this.#pages.at(-1);
      if (page === undefined || page.used === page.bytes.length) {
        const size = page === undefined ? smallestPage : Math.min(largestPage, page.bytes.length * 4);
        page = { bytes: new Uint8Array(size), used: 0 };
        this.#pages.push(page);
      }
      const part = rest.subarray(0, page.bytes.length - page.used);
      page.bytes.set(part, page.used);
      page.used += part.length;
      this.#held += part.length;
      rest = rest.subarray(part.length);
    }
    for (
      let first = this.#pages[0];
      first !== undefined && this.#held - first.used >= this.#limit;
      first = this.#pages[0]
    ) {
      this.#held -= first.used;
      this.#pages.shift();
    }
  }

  /** Returns a copy of the kept bytes. */
  bytes(): Uint8Array {
    const all = new Uint8Array(this.#held);
    let at = 0;
    for (const page of this.#pages) {
      all.set(page.bytes.subarray(0, page.used), at);
      at += page.used;
    }
    return all.length > this.#limit ? all.slice(all.length - this.#limit) : all;
  }
}
