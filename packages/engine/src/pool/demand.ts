/** Over this time earlier demand loses its weight, ms: a burst counts for some minutes. */
const forgottenInMs = 60_000;
/** How long after the last create the clones of a shape are kept that nobody keeps anyway, ms. */
export const keptAfterMs = 300_000;
/** Assumed duration of a refill before one was seen, ms. */
const firstRefillMs = 1000;
/** Weight of the newest of the times that refills took. */
const newest = 0.3;

/**
 * How many clones of a shape are worth having ready: as many as are asked for while one is being made. All times are of
 * one clock, ms.
 */
export interface Demand {
  readonly lastAskedMs: number | null;
  asked(nowMs: number): void;
  refilled(tookMs: number): void;
  /** @param least the number that is wanted without any demand */
  wanted(nowMs: number, least: number): number;
}

export function createDemand(): Demand {
  let lastAskedMs: number | null = null;
  /** Creates, each of which weighs less as time goes by. */
  let recent = 0;
  let refillMs = firstRefillMs;
  const weight = (nowMs: number): number => Math.exp(-(nowMs - (lastAskedMs ?? nowMs)) / forgottenInMs);
  return {
    get lastAskedMs() {
      return lastAskedMs;
    },
    asked(nowMs) {
      recent = recent * weight(nowMs) + 1;
      lastAskedMs = nowMs;
    },
    refilled(tookMs) {
      refillMs += newest * (tookMs - refillMs);
    },
    wanted(nowMs, least) {
      if (lastAskedMs === null || nowMs - lastAskedMs > keptAfterMs) return least;
      const askedMeanwhile = ((recent * weight(nowMs)) / forgottenInMs) * refillMs;
      return Math.max(least, 1 + Math.floor(askedMeanwhile));
    },
  };
}
