import { NovaError } from '@novasandbox/protocol';
import { sha256 } from '../auth/secrets.ts';
import { answerLifeMs, type ServerStore, type StoredAnswer } from '../store/server-store.ts';

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
}

const keyPattern = /^[\x21-\x7e]{1,200}$/;
const maxKeptBytes = 2 * 1024 * 1024;

export function createIdempotency(store: ServerStore): Idempotency {
  const underWay = new Map<string, { readonly bodyHash: string; readonly done: Promise<Answer> }>();

  const same = (kept: { readonly bodyHash: string }, bodyHash: string): void => {
    if (kept.bodyHash !== bodyHash)
      throw new NovaError('idempotency_conflict', 'The Idempotency-Key was used for another request.');
  };
  return {
    async answer({ principal, operation, key, content }, work) {
      if (!keyPattern.test(key)) {
        throw new NovaError(
          'invalid_argument',
          'Idempotency-Key: must be 1 to 200 printable characters without spaces.',
        );
      }
      const scope = sha256([principal, operation, key].join('\0'));
      const bodyHash = sha256(JSON.stringify(content) ?? '');
      for (;;) {
        const kept: StoredAnswer | null = store.findAnswer(scope, Date.now() - answerLifeMs);
        if (kept !== null) {
          same(kept, bodyHash);
          if (kept.body === '') {
            throw new NovaError('idempotency_conflict', 'This was done before, and its answer was too long to keep.');
          }
          return { status: kept.status, body: kept.body, replayed: true };
        }
        const first = underWay.get(scope);
        if (first === undefined) break;
        same(first, bodyHash);
        // What the first one failed at, this one tries itself.
        const answer = await first.done.catch(() => null);
        if (answer !== null) return { ...answer, replayed: true };
      }
      const done = work();
      underWay.set(scope, { bodyHash, done });
      try {
        const answer = await done;
        const body = Buffer.byteLength(answer.body) > maxKeptBytes ? '' : answer.body;
        store.putAnswer(scope, { principal, bodyHash, status: answer.status, body }, Date.now());
        return { ...answer, replayed: false };
      } finally {
        underWay.delete(scope);
      }
    },
  };
}
