import type { Engine } from '@novasandbox/engine';
import type { Summary } from './statistics.ts';

/** One row of the result. `value` is the median if there were several runs. */
export interface Row {
  readonly name: string;
  readonly unit: 'ms' | 's' | 's/GiB' | 'MB/s' | 'req/s' | 'MB' | '%' | 'kB';
  readonly value: number;
  readonly summary?: Summary;
  /** Limit on a 2-core machine without KVM: a maximum, or a minimum for throughput. */
  readonly budget?: number;
  /** Whether more is better although the unit does not imply it. Default: true only for throughput. */
  readonly higherIsBetter?: boolean;
  readonly note?: string;
}

/** A row with the load of the host when it was measured: the processes that ran or waited, mean of a minute. */
export interface LoadedRow extends Row {
  readonly load: number;
}

export interface BenchContext {
  readonly engine: Engine;
  /** State folder of `engine`. */
  readonly home: string;
  /** Aborts when the measurement is cancelled: no sandbox can be created from then on. */
  readonly signal: AbortSignal;
  /** Fewer rounds and clones: enough to check that it works, but not for publishing. */
  readonly quick: boolean;
  readonly templateId: string;
  /** Process id of a sandbox's VMM. */
  readonly vmmPid: (id: string) => Promise<number>;
  /** Path of the agent's binary. */
  readonly agentBinary: () => Promise<string>;
  readonly report: (row: Row) => void;
  readonly progress: (text: string) => void;
}

export interface Measure {
  readonly id: string;
  readonly title: string;
  run(context: BenchContext): Promise<void>;
}
