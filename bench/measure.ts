import type { Engine } from '@novasandbox/engine';
import type { Summary } from './statistics.ts';

/** One row of the result. `value` is the median where there are many. */
export interface Row {
  readonly name: string;
  readonly unit: 'ms' | 'MB/s' | 'req/s' | 'MB' | '%' | 'kB';
  readonly value: number;
  readonly summary?: Summary;
  /** What it has to stay below (or, for throughput, above) on a 2-core machine without KVM. */
  readonly budget?: number;
  /** More is better, though the unit does not say so. Default: for throughput alone. */
  readonly higherIsBetter?: boolean;
  readonly note?: string;
}

export interface BenchContext {
  readonly engine: Engine;
  /** State folder of `engine`. */
  readonly home: string;
  /** Aborts when the measurement is given up: no sandbox can be made any more. */
  readonly signal: AbortSignal;
  /** Fewer rounds and clones: to see that it works, not to publish. */
  readonly quick: boolean;
  readonly templateId: string;
  /** Process id of a sandbox's VMM. */
  readonly vmmPid: (id: string) => Promise<number>;
  /** Where the agent's binary lies. */
  readonly agentBinary: () => Promise<string>;
  readonly report: (row: Row) => void;
  readonly progress: (text: string) => void;
}

export interface Measure {
  readonly id: string;
  readonly title: string;
  run(context: BenchContext): Promise<void>;
}
