import { NovaError } from '@novasandbox/protocol';

/**
 * Yields the items of a guest's stream, as an async iterator over a queue that its owner fills. It is not a generator,
 * because `return()` of a generator waits for a pending `next()`: here leaving ends at once, even when the guest is
 * silent for ever.
 */
export class Inbox<T> implements AsyncIterableIterator<T>, AsyncDisposable {
  #take: () => T | undefined;
  readonly #abandon: () => void;
  readonly #waiting: PromiseWithResolvers<IteratorResult<T>>[] = [];
  #end: { error: NovaError | null } | null = null;
  #started = false;

  /**
   * `take` gives the next item, or undefined when there is none yet. `abandon` is called when the consumer leaves
   * before the end.
   */
  constructor(take: () => T | undefined, abandon: () => void) {
    this.#take = take;
    this.#abandon = abandon;
  }

  /** Notes that there may be items to take. */
  wake(): void {
    while (this.#waiting.length > 0) {
      const item = this.#take();
      if (item === undefined) return;
      this.#waiting.shift()?.resolve({ done: false, value: item });
    }
  }

  /** Ends the queue: the items in it are still given, then the error, once. Only the first call counts. */
  end(error: NovaError | null): void {
    if (this.#end !== null) return;
    this.#end = { error };
    for (const waiting of this.#waiting.splice(0)) {
      const failure = this.#takeError();
      if (failure === null) waiting.resolve({ done: true, value: undefined });
      else waiting.reject(failure);
    }
  }

  /** Drops the items in the queue. */
  discard(): void {
    this.#take = () => undefined;
  }

  next(): Promise<IteratorResult<T>> {
    // Earlier calls that still wait come first, so nothing is taken for this one.
    const item = this.#waiting.length === 0 ? this.#take() : undefined;
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.#end !== null) {
      const failure = this.#takeError();
      return failure === null ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(failure);
    }
    const waiting = Promise.withResolvers<IteratorResult<T>>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  /** Abandons the stream, and ends the calls that wait. */
  return(): Promise<IteratorResult<T>> {
    this.discard();
    this.end(null);
    this.#end = { error: null };
    this.#abandon();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Throws `invalid_state` the second time, because the items that were read are gone. */
  [Symbol.asyncIterator](): this {
    if (this.#started) throw new NovaError('invalid_state', 'A stream of the guest can be iterated only once.');
    this.#started = true;
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #takeError(): NovaError | null {
    const error = this.#end?.error ?? null;
    this.#end = { error: null };
    return error;
  }
}
