import type { Engine } from '@novasandbox/engine';
import type { Events } from '../context.ts';
import type { ActivityRecord } from './activity.ts';
import type { Limits } from './limits.ts';
import type { Roster } from './roster.ts';

/** Called when an operation has ended. */
export type Measured = (
  kind: 'vm' | 'guest' | 'snapshot' | 'template' | 'volume',
  operation: string,
  result: 'ok' | 'error',
  seconds: number,
) => void;

export interface Observation {
  readonly engine: Engine;
  readonly events: Events;
  readonly activity: ActivityRecord;
  readonly roster: Roster;
  readonly limits: Limits;
  readonly measured: Measured;
  /** Has the daemon give back volumes, by name or id, that it has opened itself. */
  readonly letGoOfVolumes: (names: readonly string[]) => Promise<void>;
}

/** Runs and measures an operation. */
export async function timed<T>(
  { measured }: Pick<Observation, 'measured'>,
  kind: Parameters<Measured>[0],
  operation: string,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  let result: 'ok' | 'error' = 'error';
  try {
    const value = await work();
    result = 'ok';
    return value;
  } finally {
    measured(kind, operation, result, (performance.now() - startedAt) / 1000);
  }
}
