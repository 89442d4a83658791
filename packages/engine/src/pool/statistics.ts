import { poolDiscards, poolMisses, type PoolDiscard, type PoolMiss } from '@novasandbox/protocol';

/** Counts of what the pool has done since the engine was opened. */
export interface PoolCounts {
  made: number;
  hits: number;
  readonly misses: Record<PoolMiss, number>;
  readonly discards: Record<PoolDiscard, number>;
}

const zeros = <K extends string>(keys: readonly K[]): Record<K, number> =>
  Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;

export const createCounts = (): PoolCounts => ({
  made: 0,
  hits: 0,
  misses: zeros(poolMisses),
  discards: zeros(poolDiscards),
});
