import { NovaError } from '@novasandbox/protocol';
import { sha256 } from '../auth/secrets.ts';
import { answerLifeMs, type ServerStore, type StoredAnswer } from '../store/server-store.ts';
import { inBackground, newSandboxId } from '@novasandbox/engine';

export interface Answer {
  readonly status: number;
  /** The JSON text of the body. */
  readonly body: string;
}

export interface IdempotentRequest {
  /** A key is valid for one principal and one operation. */
  readonly principal: string;
  readonly operation: string;
  readonly key: string;
  /** The content of the request: a key may be reused only with the same content. */
  readonly content: unknown;
}

/**
 * `Idempotency-Key`: a repeated request gets the first answer and is not executed again. Only successes are kept, so
 * that a failed request may be tried again. A repetition that arrives while the first request is in progress waits for
 * it.
 */
export interface Idempotency {
  answer(request: IdempotentRequest, work: () => Promise<Answer>): Promise<Answer & { readonly replayed: boolean }>;
  /**
   * For requests that make a thing with an id. The id is stored before the thing is made; `onOtherId` stores another in
   * its place, before the thing exists. When the daemon is killed in between, the next daemon answers with the thing if
   * it exists, and makes one if it does not.
   */
  answerWith(
    request: IdempotentRequest,
    make: (id: string, onOtherId: (id: string) => void) => Promise<Answer>,
    /** Returns the answer for the resource with that id; null when it does not exist. */
    find: (id: string) => Promise<Answer | null>,
  ): Promise<Answer & { readonly replayed: boolean }>;
}

/** Status of a row whose body is the id of a thing that is being made. */
const beingMade = 0;
const keyPattern = /^[\x21-\x7e]{1,200}$/;
const maxKeptBytes = 2 * 1024 * 1024;

export function createIdempotency(store: ServerStore): Idempotency {
  const underWay = new Map<string, { readonly bodyHash: string; readonly done: Promise<Answer> }>();

  const same = (kept: { readonly bodyHash: string }, bodyHash: string): void => {
    if (kept.bodyHash !== bodyHash)
      throw new NovaError('idempotency_conflict', 'The Idempotency-Key was used for another request.');
  };
  /** `work` gets the id for a new thing. `find` looks for the thing that an interrupted request may have made. */
  const done = async (
    { principal, operation, key, content }: IdempotentRequest,
    work: (id: string, onOtherId: (id: string) => void) => Promise<Answer>,
    find?: (id: string) => Promise<Answer | null>,
  ): Promise<Answer & { readonly replayed: boolean }> => {
    if (!keyPattern.test(key)) {
      throw new NovaError('invalid_argument', 'Idempotency-Key: must be 1 to 200 printable characters without spaces.');
    }
    const scope = sha256([principal, operation, key].join('\0'));
    const bodyHash = sha256(JSON.stringify(content) ?? '');
    const keep = (status: number, body: string): void =>
      store.putAnswer(scope, { principal, bodyHash, status, body }, Date.now());
    /** The id of the thing that an interrupted request may have made. */
    let interrupted: string | null = null;
    for (;;) {
      const first = underWay.get(scope);
      if (first !== undefined) {
        same(first, bodyHash);
        // When the first request fails, this one tries itself.
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
        throw new NovaError(
          'idempotency_conflict',
          'This request succeeded before, and its answer was too long to keep.',
        );
      }
      return { status: kept.status, body: kept.body, replayed: true };
    }
    let replayed = false;
    const once = async (): Promise<Answer> => {
      const found = interrupted === null ? null : ((await find?.(interrupted)) ?? null);
      replayed = found !== null;
      if (found !== null) return found;
      const id = newSandboxId();
      const keepId = (made: string): void => {
        if (find !== undefined) keep(beingMade, made);
      };
      keepId(id);
      try {
        return await work(id, keepId);
      } catch (error) {
        if (find !== undefined)
          inBackground('forgetting the id of a thing that was not made', () => store.forgetAnswer(scope));
        throw error;
      }
    };
    const running = once();
    underWay.set(scope, { bodyHash, done: running });
    try {
      const answer = await running;
      const body = Buffer.byteLength(answer.body) > maxKeptBytes ? '' : answer.body;
      // The request has succeeded, so it is answered even if the answer cannot be stored. A repetition then finds the
      // thing by its id.
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
