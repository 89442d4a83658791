import type { OutputChunk } from '@novasandbox/engine/services';

/**
 * Hands chunks from one writer to one reader. The writer waits until the reader has taken everything, so a slow reader
 * slows the writer. Once the reader leaves, the writer no longer waits.
 */
export class ChunkQueue implements AsyncIterableIterator<OutputChunk> {
  readonly #chunks: OutputChunk[];
  readonly #left: () => void;
  #ended = false;
  #error: unknown;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  /** `first` holds the chunks from before the reader came; `left` is called when the reader leaves. */
  constructor(first: readonly OutputChunk[], left: () => void) {
    this.#chunks = [...first];
    this.#left = left;
  }

  /** Resolves when the reader has taken the chunk, or has left. */
  async push(chunk: OutputChunk): Promise<void> {
    if (this.#ended) return;
    this.#chunks.push(chunk);
    this.#wakeReader?.();
    while (this.#chunks.length > 0 && !this.#ended) {
      await new Promise<void>((resolve) => (this.#wakeWriter = resolve));
    }
  }

  /** Ends the queue; the reader receives `error` after the last chunk. */
  end(error?: unknown): void {
    this.#ended = true;
    this.#error = error;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  async next(): Promise<IteratorResult<OutputChunk, undefined>> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        if (this.#chunks.length === 0) this.#wakeWriter?.();
        return { done: false, value: chunk };
      }
      if (this.#error !== undefined) {
        const error = this.#error;
        this.#error = undefined;
        throw error;
      }
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => (this.#wakeReader = resolve));
    }
  }

  return(): Promise<IteratorResult<OutputChunk, undefined>> {
    this.#chunks.length = 0;
    this.end();
    this.#left();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.return().then(() => undefined);
  }
}
