/**
 * Counts the requests of each name in windows of a minute. The number of names is bounded: when there are too many,
 * expired windows are removed first, then the oldest.
 */
export interface RateLimit {
  /** Counts one request. */
  take(name: string): RateLimitState;
}

export interface RateLimitState {
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until the window ends. */
  readonly resetSeconds: number;
  readonly exceeded: boolean;
}

const windowMs = 60_000;
const maxNames = 20_000;

/** A `limit` of 0 means no limit. */
export function createRateLimit(limit: number, now: () => number = Date.now): RateLimit {
  const windows = new Map<string, { count: number; endsMs: number }>();
  const prune = (): void => {
    const at = now();
    for (const [name, { endsMs }] of windows) if (endsMs <= at) windows.delete(name);
    for (const name of windows.keys()) {
      if (windows.size <= maxNames / 2) break;
      windows.delete(name);
    }
  };
  return {
    take(name) {
      const at = now();
      let window = windows.get(name);
      if (window === undefined || window.endsMs <= at) {
        window = { count: 0, endsMs: at + windowMs };
        if (windows.size >= maxNames) prune();
        windows.set(name, window);
      }
      window.count += 1;
      return {
        limit,
        remaining: Math.max(0, limit - window.count),
        resetSeconds: Math.ceil((window.endsMs - at) / 1000),
        exceeded: limit > 0 && window.count > limit,
      };
    },
  };
}
