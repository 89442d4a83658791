/** Looks for a sequence of keys in the input. Keys that may begin it are held back until the next key decides. */
export class KeyWatch {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** Returns the input to pass on, and whether the sequence is complete; nothing after it is passed on. */
  take(input: Uint8Array): { readonly passes: Uint8Array; readonly complete: boolean } {
    const passes: number[] = [];
    for (const byte of input) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched += 1;
        if (this.#matched < this.#keys.length) continue;
        this.#matched = 0;
        return { passes: Uint8Array.from(passes), complete: true };
      }
      passes.push(...this.#keys.slice(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) passes.push(byte);
    }
    return { passes: Uint8Array.from(passes), complete: false };
  }
}
