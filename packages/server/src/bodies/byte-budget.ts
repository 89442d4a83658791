import { NovaError } from '@novasandbox/protocol';
import type { ByteBudget } from '../context.ts';

/**
 * Nobody takes up more than this part of the whole: there is room for others beside whoever sends the largest bodies
 * slowly.
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
            throw new NovaError('rate_limited', 'The daemon holds as many bytes of requests as it may.', {
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
