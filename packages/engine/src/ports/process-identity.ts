/** A process, distinguished from a later one with the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** In the host's own unit: clock ticks since boot on Linux, a date elsewhere. */
  readonly startTime: string;
}

export const isSameProcess = (one: ProcessIdentity | null, other: ProcessIdentity | null): boolean =>
  one?.pid === other?.pid && one?.startTime === other?.startTime;
