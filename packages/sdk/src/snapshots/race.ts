import { NovaError } from '@novasandbox/protocol';
import { removeAll, undone, type Forked, type Removable } from './fork.ts';

/** How to find the best of several branches. */
export interface RaceOptions<S, T> {
  /**
   * The work of one branch, in a child of its own. `signal` aborts when the branch is ended: by its time limit, by
   * `until`, or by the caller. Its child is then removed, whether or not `run` has noticed.
   */
  readonly run: (child: S, index: number, signal: AbortSignal) => Promise<T> | T;
  /** Judges a result while the child still runs. The highest score wins; of equal ones that of the lower index. */
  readonly score: (result: T, child: S, index: number, signal: AbortSignal) => Promise<number> | number;
  /** Ends the race as soon as it returns true for a score. Default: all branches run to their end. */
  readonly until?: ((score: number) => boolean) | undefined;
  /** Time limit of each branch, for `run` and `score` together, ms. Default: none. */
  readonly timeoutMs?: number | undefined;
  /** Cancels the race; nothing is left behind. */
  readonly signal?: AbortSignal | undefined;
}

/** How one branch ended. */
export interface RaceBranch<S, T> {
  readonly index: number;
  /** The value that `run` returned; missing if it returned nothing in time. */
  readonly result?: T;
  /** Null for a branch without a score; `error` says why. */
  readonly score: number | null;
  /**
   * The error of `run` or `score`, or the reason that the branch was ended or has no child. Null for a branch with a
   * score.
   */
  readonly error: unknown;
  /** The child if it is still there: the winner's, and one that could not be removed. */
  readonly sandbox: S | null;
}

/** The best branch. Disposing removes its sandbox, unless `sandbox.disconnect()` has released it. */
export interface RaceResult<S, T> extends AsyncDisposable {
  readonly sandbox: S;
  readonly index: number;
  readonly result: T;
  readonly score: number;
  /** All branches, by index. */
  readonly branches: readonly RaceBranch<S, T>[];
}

/** The longest time limit, because timers count no further. */
const longestMs = 2_147_483_647;

interface Scored<T> {
  readonly index: number;
  readonly result: T;
  readonly score: number;
}

/**
 * Runs a branch in each child that `fork` makes and keeps the child with the best score. Each other one is removed as
 * soon as it can no longer win. Throws an AggregateError with the error of each branch if none comes to a score.
 */
export async function race<S extends Removable & AsyncDisposable, T>(
  fork: (signal: AbortSignal) => Promise<readonly Forked<S>[]>,
  { run, score, until, timeoutMs = longestMs, signal }: RaceOptions<S, T>,
): Promise<RaceResult<S, T>> {
  if (!(timeoutMs >= 1 && timeoutMs <= longestMs))
    throw new NovaError('invalid_argument', `timeoutMs: must be between 1 and ${longestMs}`);
  const over = new AbortController();
  const unheard = whenAborted(signal, () => over.abort(cancelled('The race was cancelled.')));
  const children = new Map<number, S>();
  let best: Scored<T> | undefined;

  const remove = async (index: number): Promise<void> => {
    const child = children.get(index);
    if (child !== undefined && (await removeAll([child])).length === 0) children.delete(index);
  };

  /** Only the best child so far is kept. */
  const enter = async (branch: Scored<T>): Promise<void> => {
    const isEnough = until?.(branch.score) === true;
    const before = best;
    const wins =
      before === undefined ||
      branch.score > before.score ||
      (branch.score === before.score && branch.index < before.index);
    if (wins) best = branch;
    if (isEnough) over.abort(cancelled(`Branch ${branch.index} has ended the race.`));
    if (!wins) await remove(branch.index);
    else if (before !== undefined) await remove(before.index);
  };

  const compete = async ({ sandbox, error }: Forked<S>, index: number): Promise<Omit<RaceBranch<S, T>, 'sandbox'>> => {
    if (sandbox === null) return { index, score: null, error };
    const ended = new AbortController();
    const detached = whenAborted(over.signal, () => ended.abort(over.signal.reason));
    const timer = setTimeout(() => ended.abort(tooLong(index, timeoutMs)), timeoutMs);
    let branch: { readonly index: number; readonly result?: T } = { index };
    try {
      const result = await within(ended.signal, () => run(sandbox, index, ended.signal));
      branch = { index, result };
      const points = await within(ended.signal, () => score(result, sandbox, index, ended.signal));
      if (typeof points !== 'number' || Number.isNaN(points))
        throw new NovaError('invalid_argument', `score: ${String(points)} is not a number`);
      await enter({ index, result, score: points });
      return { ...branch, score: points, error: null };
    } catch (failure) {
      await remove(index);
      return { ...branch, score: null, error: failure };
    } finally {
      clearTimeout(timer);
      detached();
    }
  };

  try {
    over.signal.throwIfAborted();
    const forks = await fork(over.signal);
    for (const [index, { sandbox }] of forks.entries()) if (sandbox !== null) children.set(index, sandbox);
    const ends = await Promise.all(forks.map(compete));
    if (signal?.aborted === true) over.signal.throwIfAborted();
    const won = best as Scored<T> | undefined;
    const child = children.get(won?.index ?? -1);
    if (won === undefined || child === undefined) {
      const errors = ends.map(({ error }) => error);
      throw new AggregateError(errors, `None of ${ends.length} branches came to a score: ${String(errors[0])}`);
    }
    const left = [...children.values()];
    return {
      ...won,
      sandbox: child,
      branches: ends.map((end) => ({ ...end, sandbox: children.get(end.index) ?? null })),
      [Symbol.asyncDispose]: async () => {
        await Promise.all(left.map((each) => each[Symbol.asyncDispose]()));
      },
    };
  } catch (error) {
    throw await undone(error, [...children.values()]);
  } finally {
    unheard();
  }
}

/** Waits for the work, but not once the signal has aborted. */
function within<T>(signal: AbortSignal, work: () => Promise<T> | T): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    signal.addEventListener('abort', () => reject(signal.reason));
    Promise.resolve(work()).then(resolve, reject);
  });
}

/** Calls `then` once the signal has aborted; the result stops that. */
function whenAborted(signal: AbortSignal | undefined, then: () => void): () => void {
  signal?.addEventListener('abort', then);
  if (signal?.aborted === true) then();
  return () => signal?.removeEventListener('abort', then);
}

const cancelled = (message: string): NovaError => new NovaError('cancelled', message);

const tooLong = (index: number, timeoutMs: number): NovaError =>
  new NovaError('command_timeout', `Branch ${index} has taken longer than ${timeoutMs} ms.`, {
    hint: 'Raise timeoutMs of the race.',
  });
