import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { NovaError } from '@novasandbox/protocol';
import type { Drain } from './context.ts';
import { restarting } from './vms/restarting.ts';

/** Time limit for clients to read their last message. */
const farewellMs = 6000;

export function createDrain(): Drain {
  const leaving = new AbortController();
  // Every running command adds a listener, so that their number is not limited.
  setMaxListeners(0, leaving.signal);
  const held = new Set<object>();
  let idle = Promise.withResolvers<void>();
  let until: number | null = null;
  const within = (ms: number): Promise<void> => {
    if (held.size === 0) return Promise.resolve();
    idle = Promise.withResolvers<void>();
    return Promise.race([idle.promise, delay(ms, undefined, { ref: false })]);
  };
  return {
    leaving: leaving.signal,
    refuse() {
      if (until === null) return;
      const left = Math.max(0, until - Date.now());
      throw new NovaError('shutting_down', 'The daemon is ending and accepts no new work.', {
        details: { retry_after_seconds: Math.ceil(left / 1000) + 1 },
      });
    },
    hold() {
      const work = {};
      held.add(work);
      return {
        [Symbol.dispose]: () => {
          if (held.delete(work) && held.size === 0) idle.resolve();
        },
      };
    },
    finish(ms) {
      until = Date.now() + ms;
      return within(ms);
    },
    leave() {
      leaving.abort(restarting());
      return within(farewellMs);
    },
  };
}
