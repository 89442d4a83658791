import type { NovaError } from '@novasandbox/protocol';
import type { CallOptions } from '../ports/guest-agent.ts';
import { cancelled, invalidArgument, timedOut, type ErrorContext } from './errors.ts';
import type { Fields, RecordWriter } from './record.ts';
import type { Session } from './session.ts';

/** Time limit of a call that was given none, ms. */
export const DEFAULT_TIMEOUT_MS = 30_000;
/** Longest a timer of Node can wait; a longer limit is none. */
const MAX_TIMER_MS = 0x7fff_ffff;

/**
 * Watches the time limit and the signal of a call. Whoever ends the call releases it: `settled` when the promise of the call has settled
 * (the time limit is over then), `release` when the signal does not matter any more either.
 */
export class Limits {
  readonly #signal: AbortSignal | undefined;
  readonly #fail: (error: NovaError) => void;
  #timer: NodeJS.Timeout | undefined;

  /**
   * `fail` is called at most once by each of the two, never from in here. Throws `cancelled` for a signal that has fired already.
   * `heardAt`: when the guest last answered something that calls like this one queue behind. The default limit counts from there: whose turn
   * has not come is not overdue. A limit of the caller's own counts from the call.
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
 * A request with one answer. `parse` reads the RESULT while it is taken in, so that one which breaks the rules ends the session. Rejects
 * with what the guest answered, `cancelled`, or `guest_unreachable` after the time limit (default 30 s). `onMessage` may refuse to go on.
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

/** Opens a stream; the limits are released when that throws. */
export function openLimited<T>(limits: Limits, open: () => T): T {
  try {
    return open();
  } catch (error) {
    limits.release();
    throw error;
  }
}
