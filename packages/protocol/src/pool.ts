/**
 * Why a create got no clone from the warm pool. `empty`: there was none of its shape, or none that worked. The others
 * say what cannot change once a clone runs: `cold_boot` (it boots something else than its template, or its hypervisor
 * cannot restore and pause), `id_given` (a program that embeds the engine has chosen its id), `host_port`,
 * `rate_limits`.
 */
export const poolMisses = ['empty', 'cold_boot', 'id_given', 'host_port', 'rate_limits', 'volumes'] as const;
export type PoolMiss = (typeof poolMisses)[number];

/**
 * Why a clone left the warm pool without becoming a sandbox. `vmm_ended`: its VMM has ended. `no_answer`: it did not go
 * on or did not answer. `outdated`: images or hypervisor have changed. `unused`: nobody has asked for its shape lately.
 * `memory`: the host needs the memory. `drained`: somebody emptied the pool, or its keeper ended.
 */
export const poolDiscards = ['vmm_ended', 'no_answer', 'outdated', 'unused', 'memory', 'drained'] as const;
export type PoolDiscard = (typeof poolDiscards)[number];

/** A clone in the warm pool. */
export interface PoolClone {
  readonly id: string;
  readonly templateId: string;
  /** Digest of the golden snapshot that it is a clone of. */
  readonly shape: string;
  /** false while it is being made. */
  readonly ready: boolean;
  readonly memoryMb: number;
  readonly vcpus: number;
  readonly createdAt: string;
  /** When it is ended if nobody has taken it; null: its keeper decides. */
  readonly expiresAt: string | null;
}

/** Sandboxes of one shape, which were asked for lately or are kept ready anyway, as the pool sees them. */
export interface PoolShape {
  readonly templateId: string;
  readonly shape: string;
  readonly memoryMb: number;
  readonly vcpus: number;
  readonly enableNetwork: boolean;
  /** Number of clones that the pool wants to have ready. */
  readonly wanted: number;
  readonly ready: number;
  readonly hits: number;
  readonly misses: number;
  /** Failures since a clone was last handed out. */
  readonly failures: number;
  /** The last failure; null where all is well. */
  readonly problem: string | null;
  /** When the next clone is tried; null: as soon as one is wanted. */
  readonly retryAt: string | null;
}

export interface PoolStatus {
  /** Whether the engine that was asked keeps clones ready. Others may have left some all the same. */
  readonly keeps: boolean;
  /** `auto`, or the number of clones kept for each sandbox that they are kept ready for. */
  readonly size: 'auto' | number;
  /** The most clones in all. */
  readonly max: number;
  readonly clones: readonly PoolClone[];
  readonly shapes: readonly PoolShape[];
  /** These are counted since the engine was opened; misses and discards by their reasons. */
  readonly made: number;
  readonly hits: number;
  readonly misses: Readonly<Record<string, number>>;
  readonly discards: Readonly<Record<string, number>>;
}
