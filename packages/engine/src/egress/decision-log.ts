import type { Decision } from '@novasandbox/protocol';

/** How many decisions about a sandbox are kept. */
const kept = 1000;
/** How many may wait for a follower that is slow; the oldest of them are dropped then. */
const waiting = 1000;
/** Longer texts of a guest are cut. */
const longestText = 256;

/** The latest decisions about a sandbox. */
export interface DecisionLog {
  /** Returns it as it is kept, with long texts cut. */
  add(decision: Omit<Decision, 'at'>): Decision;
  /** Oldest first. `follow` goes on with new ones until the log is closed, or `signal` fires. */
  read(options: { readonly follow: boolean; readonly signal: AbortSignal }): AsyncIterable<Decision>;
  close(): void;
}

interface Follower {
  readonly queue: Decision[];
  wake: () => void;
}

export function decisionLog(): DecisionLog {
  const decisions: Decision[] = [];
  const followers = new Set<Follower>();
  let closed = false;
  return {
    add(decision) {
      const { host, path, method } = decision;
      const entry: Decision = {
        at: new Date().toISOString(),
        ...decision,
        host: host?.slice(0, longestText) ?? null,
        ...(method === undefined ? {} : { method: method.slice(0, longestText) }),
        // A query may hold keys.
        ...(path === undefined ? {} : { path: path.replace(/[?#].*$/s, '').slice(0, longestText) }),
      };
      decisions.push(entry);
      // It is cut now and then, because each cut moves all that stay.
      if (decisions.length >= 2 * kept) decisions.splice(0, decisions.length - kept);
      for (const { queue, wake } of followers) {
        queue.push(entry);
        if (queue.length > waiting) queue.shift();
        wake();
      }
      return entry;
    },
    async *read({ follow, signal }) {
      const follower: Follower = { queue: decisions.slice(-kept), wake: () => undefined };
      if (follow) followers.add(follower);
      const onAbort = (): void => follower.wake();
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        for (;;) {
          for (let next = follower.queue.shift(); next !== undefined; next = follower.queue.shift()) yield next;
          if (!follow || closed || signal.aborted) return;
          const { promise, resolve } = Promise.withResolvers<void>();
          follower.wake = resolve;
          await promise;
        }
      } finally {
        signal.removeEventListener('abort', onAbort);
        followers.delete(follower);
      }
    },
    close() {
      closed = true;
      for (const { wake } of followers) wake();
    },
  };
}
