import { NovaError } from '@novasandbox/protocol';
import { withResolvers } from '../with-resolvers.ts';

export interface InboxOptions<T> {
  readonly sizeOf: (item: T) => number;
  /** Called when the inbox holds more than its reader has taken: stop filling it until `resume` is called. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Called when the reader leaves before the end. */
  readonly abandon: () => void;
}

const fullBytes = 256 * 1024;

/**
 * The messages of a WebSocket as an async iterable that can be iterated once. A reader that pauses makes the socket
 * pause. It is a class rather than a generator so that leaving the iteration takes effect at once even if nothing
 * arrives.
 */
export class RemoteInbox<T> implements AsyncIterableIterator<T>, AsyncDisposable {
  readonly #options: InboxOptions<T>;
  readonly #items: T[] = [];
  readonly #waiting: PromiseWithResolvers<IteratorResult<T>>[] = [];
  #held = 0;
  #full = false;
  #end: { error: NovaError | null } | null = null;
  #started = false;

  constructor(options: InboxOptions<T>) {
    this.#options = options;
  }

  push(item: T): void {
    if (this.#end !== null) return;
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) return waiting.resolve({ done: false, value: item });
    this.#items.push(item);
    this.#held += this.#options.sizeOf(item);
    if (this.#held > fullBytes && !this.#full) {
      this.#full = true;
      this.#options.pause();
    }
  }

  /** Ends the inbox: the reader gets the remaining items, then the error, once. Only the first call takes effect. */
  end(error: NovaError | null): void {
    if (this.#end !== null) return;
    this.#end = { error };
    for (const waiting of this.#waiting.splice(0)) this.#settle(waiting);
  }

  next(): Promise<IteratorResult<T>> {
    const waiting = withResolvers<IteratorResult<T>>();
    const item = this.#items.shift();
    if (item !== undefined) {
      this.#held -= this.#options.sizeOf(item);
      if (this.#full && this.#held <= fullBytes / 2) {
        this.#full = false;
        this.#options.resume();
      }
      waiting.resolve({ done: false, value: item });
    } else if (this.#end !== null) {
      this.#settle(waiting);
    } else {
      this.#waiting.push(waiting);
    }
    return waiting.promise;
  }

  return(): Promise<IteratorResult<T>> {
    this.#items.length = 0;
    this.#held = 0;
    this.end(null);
    this.#end = { error: null };
    this.#options.abandon();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    if (this.#started) throw new NovaError('invalid_state', 'A stream of the guest can be iterated only once.');
    this.#started = true;
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #settle(waiting: PromiseWithResolvers<IteratorResult<T>>): void {
    const error = this.#end?.error ?? null;
    this.#end = { error: null };
    if (error === null) waiting.resolve({ done: true, value: undefined });
    else waiting.reject(error);
  }
}
