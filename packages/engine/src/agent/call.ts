import type { NovaError } from '@novasandbox/protocol';
import type { CallOptions } from '../ports/guest-agent.ts';
import { cancelled, invalidArgument, timedOut, type ErrorContext } from './errors.ts';
import type { Fields, RecordWriter } from './record.ts';
import type { Session } from './session.ts';

/** Default time limit of a call, in ms. */
export const DEFAULT_TIMEOUT_MS = 30_000;
/** The longest time that a timer of Node can wait; a longer limit counts as none. */
const MAX_TIMER_MS = 0x7fff_ffff;

/**
 * Watches the time limit and the signal of a call. The owner calls `settled` when the promise of the call has settled,
 * which ends the time limit, and `release` when the signal does not matter any more either.
 */
export class Limits {
  readonly #signal: AbortSignal | undefined;
  readonly #fail: (error: NovaError) => void;
  #timer: NodeJS.Timeout | undefined;

  /**
   * The time limit and the signal each call `fail` at most once, and never from within the constructor, which throws
   * `cancelled` when the signal has already fired. `heardAt` tells when the guest last answered a call of the kind
   * that this one queues behind. The default limit counts from there: a call whose turn has not come is not overdue.
   * A limit that the caller sets counts from the call.
   */
  constructor(
    options: CallOptions | undefined,
    defaultMs: number,
    fail: (error: NovaError) => void,
    heardAt?: () => number,
  ) {
    const timeoutMs = options?.timeoutMs ?? defaultMs;
    if (Number.isNaN(timeoutMs) || timeoutMs < 0) throw invalidArgument(`${timeoutMs} is no time limit in ms.`);
    this.#fail = fail;
    this.#signal = options?.signal;
    if (this.#signal?.aborted === true) throw cancelled(this.#signal.reason);
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (timeoutMs > 0 && timeoutMs <= MAX_TIMER_MS) {
      this.#wait(timeoutMs, timeoutMs, options?.timeoutMs === undefined ? heardAt : undefined);
    }
  }

  #wait(timeoutMs: number, leftMs: number, heardAt: (() => number) | undefined): void {
    this.#timer = setTimeout(() => {
      const nextMs = heardAt === undefined ? 0 : Math.ceil(heardAt() + timeoutMs - performance.now());
      if (nextMs > 0) this.#wait(timeoutMs, nextMs, heardAt);
      else this.#fail(timedOut(timeoutMs));
    }, leftMs);
  }

  settled(): void {
    clearTimeout(this.#timer);
  }

  release(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => this.#fail(cancelled(this.#signal?.reason));
}

/**
 * Sends a request that has one answer. `parse` reads the RESULT as it arrives, so that a malformed one ends the
 * session. Rejects with the error of the guest, with `cancelled`, or with `guest_unreachable` after the time limit
 * (default 30 s). `onMessage` may refuse to go on.
 */
export async function call<T>(
  session: Session,
  method: number,
  args: RecordWriter,
  context: ErrorContext,
  parse: (fields: Fields) => T,
  options?: CallOptions,
  onMessage?: (type: number, fields: Fields, refuse: (error: NovaError) => void) => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const limits = new Limits(options, DEFAULT_TIMEOUT_MS, (error) => stream.abandon(error));
  const handler = {
    result: (fields: Fields) => {
      resolve(parse(fields));
      limits.release();
    },
    failed: (error: NovaError) => {
      limits.release();
      reject(error);
    },
    message: (type: number, fields: Fields) => onMessage?.(type, fields, (error) => stream.abandon(error)),
  };
  const stream = openLimited(limits, () => session.open(method, args, context, handler));
  return promise;
}

/** Opens a stream, and releases the limits when that throws. */
export function openLimited<T>(limits: Limits, open: () => T): T {
  try {
    return open();
  } catch (error) {
    limits.release();
    throw error;
  }
}
