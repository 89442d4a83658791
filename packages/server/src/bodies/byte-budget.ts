import { NovaError } from '@novasandbox/protocol';
import type { ByteBudget } from '../context.ts';

/**
 * One owner may use at most the budget divided by this, so that a client that sends large bodies slowly leaves room for
 * others.
 */
const shares = 2;
const retrySeconds = 1;

export function createByteBudget(total: number): ByteBudget {
  const byOwner = new Map<string, number>();
  let held = 0;
  return {
    hold(owner) {
      let mine = 0;
      let ended = false;
      const count = (bytes: number): void => {
        mine += bytes;
        held += bytes;
        const owned = (byOwner.get(owner) ?? 0) + bytes;
        if (owned > 0) byOwner.set(owner, owned);
        else byOwner.delete(owner);
      };
      return {
        add(bytes) {
          if (ended) return;
          if (held + bytes > total || (byOwner.get(owner) ?? 0) + bytes > total / shares) {
            throw new NovaError('rate_limited', 'The daemon has no room for more bytes of request bodies.', {
              details: { retry_after_seconds: retrySeconds },
            });
          }
          count(bytes);
        },
        [Symbol.dispose]: () => {
          count(-mine);
          ended = true;
        },
      };
    },
  };
}
