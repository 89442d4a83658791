import { areMapped } from './mapped-ids.ts';

/** Numbers of users and groups that only VMMs have. */
export interface VmmIds {
  /** The group of VMMs that may open snapshot memory. */
  readonly memoryGroup: number;
  /** The first of the users, whose groups have the same numbers. */
  readonly lowest: number;
  readonly count: number;
}

/**
 * No account of a host has these numbers, and none of the ranges that systemd or subuid(5) hand out by default begins
 * among them.
 */
const usual: VmmIds = { memoryGroup: 699_999, lowest: 700_000, count: 50_000 };
/** For user namespaces that map few numbers: numbers below 65536 that neither distributions nor systemd use. */
const few: VmmIds = { memoryGroup: 60_578, lowest: 60_579, count: 605 };

/** The numbers that VMMs can have here; null where too few are mapped, and VMMs run as we do. */
export const vmmIds: VmmIds | null =
  [usual, few].find(({ memoryGroup, lowest, count }) =>
    (['uid', 'gid'] as const).every((kind) => areMapped(kind, memoryGroup, lowest + count - 1)),
  ) ?? null;
