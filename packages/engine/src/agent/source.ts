import type { ByteSource } from '../ports/guest-agent.ts';
import { invalidArgument } from './errors.ts';

type Step = IteratorResult<Uint8Array> | Promise<IteratorResult<Uint8Array>>;

/**
 * Reads a caller's source of bytes, and can stop while the source has not answered: `interrupt` lets whoever waits for it go on. One pair
 * of handlers a step rather than a race with a promise that outlives them all, which would gather a reaction for every chunk.
 */
export class SourceReader {
  readonly #iterator: { next(): Step; return?(): unknown };
  #done = false;
  #interrupted = false;
  #wake: (() => void) | null = null;

  constructor(source: ByteSource) {
    this.#iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  /** The next bytes; null at the end and after an interruption. A promise only where the source gives one. Throws what the source throws. */
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

  /** Tells a source that was not read to its end that nobody will. Does not wait for it: it may hang in the step it was left in. */
  close(): void {
    if (this.#done) return;
    this.#done = true;
    try {
      Promise.resolve(this.#iterator.return?.()).catch(() => {});
    } catch {
      // The call has its own outcome already; a source that fails at being closed cannot change it.
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
