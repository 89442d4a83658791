import { NovaError } from '@novasandbox/protocol';
import { sha256 } from '../auth/secrets.ts';
import { answerLifeMs, type ServerStore, type StoredAnswer } from '../store/server-store.ts';
import { inBackground, newSandboxId } from '@novasandbox/engine';

export interface Answer {
  readonly status: number;
  /** JSON, as it is sent. */
  readonly body: string;
}

export interface IdempotentRequest {
  /** Whose request it is and of what: one key of one principal means one thing. */
  readonly principal: string;
  readonly operation: string;
  readonly key: string;
  /** All that the request says. */
  readonly content: unknown;
}

/**
 * `Idempotency-Key`: a request that is sent again is answered as it was the first time, and not done again. Only successes are kept: what failed
 * may be tried anew. One that comes while the first is under way waits for it.
 */
export interface Idempotency {
  answer(request: IdempotentRequest, work: () => Promise<Answer>): Promise<Answer & { readonly replayed: boolean }>;
  /**
   * For what makes a thing with an id. The id is kept before it is made: a daemon that is killed in between leaves it to the next, which answers with the thing
   * that is there, and makes one where there is none.
   */
  answerWith(
    request: IdempotentRequest,
    make: (id: string) => Promise<Answer>,
    /** The answer about the thing of that id; null where there is none. */
    find: (id: string) => Promise<Answer | null>,
  ): Promise<Answer & { readonly replayed: boolean }>;
}

/** Of a row that holds the id of what is being made, as its body. */
const beingMade = 0;
const keyPattern = /^[\x21-\x7e]{1,200}$/;
const maxKeptBytes = 2 * 1024 * 1024;

export function createIdempotency(store: ServerStore): Idempotency {
  const underWay = new Map<string, { readonly bodyHash: string; readonly done: Promise<Answer> }>();

  const same = (kept: { readonly bodyHash: string }, bodyHash: string): void => {
    if (kept.bodyHash !== bodyHash)
      throw new NovaError('idempotency_conflict', 'The Idempotency-Key was used for another request.');
  };
  /** `made`: the id under which the thing may be there already, and how it is found. */
  const done = async (
    { principal, operation, key, content }: IdempotentRequest,
    work: (id: string) => Promise<Answer>,
    find?: (id: string) => Promise<Answer | null>,
  ): Promise<Answer & { readonly replayed: boolean }> => {
    if (!keyPattern.test(key)) {
      throw new NovaError('invalid_argument', 'Idempotency-Key: must be 1 to 200 printable characters without spaces.');
    }
    const scope = sha256([principal, operation, key].join('\0'));
    const bodyHash = sha256(JSON.stringify(content) ?? '');
    const keep = (status: number, body: string): void =>
      store.putAnswer(scope, { principal, bodyHash, status, body }, Date.now());
    /** What one that was killed has made. */
    let interrupted: string | null = null;
    for (;;) {
      const first = underWay.get(scope);
      if (first !== undefined) {
        same(first, bodyHash);
        // What the first one failed at, this one tries itself.
        const answer = await first.done.catch(() => null);
        if (answer !== null) return { ...answer, replayed: true };
        continue;
      }
      const kept: StoredAnswer | null = store.findAnswer(scope, Date.now() - answerLifeMs);
      if (kept === null) break;
      same(kept, bodyHash);
      if (kept.status === beingMade) {
        interrupted = kept.body;
        break;
      }
      if (kept.body === '') {
        throw new NovaError('idempotency_conflict', 'This was done before, and its answer was too long to keep.');
      }
      return { status: kept.status, body: kept.body, replayed: true };
    }
    let replayed = false;
    const once = async (): Promise<Answer> => {
      const found = interrupted === null ? null : ((await find?.(interrupted)) ?? null);
      replayed = found !== null;
      if (found !== null) return found;
      const id = newSandboxId();
      if (find !== undefined) keep(beingMade, id);
      try {
        return await work(id);
      } catch (error) {
        if (find !== undefined) inBackground('forgetting what was not made', () => store.forgetAnswer(scope));
        throw error;
      }
    };
    const running = once();
    underWay.set(scope, { bodyHash, done: running });
    try {
      const answer = await running;
      const body = Buffer.byteLength(answer.body) > maxKeptBytes ? '' : answer.body;
      // It has been done, and is said to be: an answer that cannot be kept is found again by the id.
      inBackground('keeping an answer', () => keep(answer.status, body));
      return { ...answer, replayed };
    } finally {
      underWay.delete(scope);
    }
  };
  return {
    answer: (request, work) => done(request, work),
    answerWith: done,
  };
}
