import type { ByteSource } from '../ports/guest-agent.ts';
import { invalidArgument } from './errors.ts';

type Step = IteratorResult<Uint8Array> | Promise<IteratorResult<Uint8Array>>;

/**
 * Reads a caller's source of bytes, and can stop while the source has not answered: `interrupt` releases the caller
 * that waits for it. Each step has a pair of handlers of its own, because a race with a promise that outlives the steps
 * would accumulate a reaction for every chunk.
 */
export class SourceReader {
  readonly #iterator: { next(): Step; return?(): unknown };
  #done = false;
  #interrupted = false;
  #wake: (() => void) | null = null;

  constructor(source: ByteSource) {
    this.#iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  /**
   * Returns the next bytes, or null at the end and after an interruption. It returns a promise only where the source
   * does. Throws the errors of the source.
   */
  next(): Uint8Array | null | Promise<Uint8Array | null> {
    if (this.#done || this.#interrupted) return null;
    const step = this.#iterator.next();
    if (!('then' in step)) return this.#valueOf(step);
    return new Promise((resolve, reject) => {
      this.#wake = () => resolve(null);
      step.then((result) => resolve(this.#valueOf(result))).catch(reject);
    });
  }

  interrupt(): void {
    this.#interrupted = true;
    this.#wake?.();
  }

  /** Closes a source that was not read to its end. Does not wait for it, because it may hang in its last step. */
  close(): void {
    if (this.#done) return;
    this.#done = true;
    try {
      Promise.resolve(this.#iterator.return?.()).catch(() => {});
    } catch {
      // The call has its outcome already, which a source that fails while it is closed cannot change.
    }
  }

  #valueOf(result: IteratorResult<Uint8Array>): Uint8Array | null {
    if (result.done === true) {
      this.#done = true;
      return null;
    }
    const value: unknown = result.value;
    if (!(value instanceof Uint8Array)) throw invalidArgument('The source yielded something other than bytes.');
    return value;
  }
}
