/**
 * A guest that does not answer has at least this long to start a command, ms: the limit of a command may be shorter than the way to a busy guest and back. And at most
 * this long, whatever the command's own limit.
 */
const startsWithinMs = { least: 5000, most: 30_000 };

/** How long the way to a guest and the start of a command may take together, given the command's own time limit (0 or none: unlimited). */
export function startLimit(timeoutMs: number | undefined): number {
  const { least, most } = startsWithinMs;
  return timeoutMs === undefined || timeoutMs === 0 ? most : Math.min(most, Math.max(least, timeoutMs));
}
