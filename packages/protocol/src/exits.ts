import * as z from 'zod';
import { signalName } from './signals.ts';

// Forms in which the end of a process is reported: in the engine, over REST and WebSockets, to E2B's clients, in
// messages and as exit statuses.

/** The end of a process in a guest. */
export const exitSchema = z.object({
  /** The program's exit code; 128 + signal when a signal ended it. */
  exitCode: z.int(),
  signal: z.int().nullable(),
  /** Whether its own time limit ended it. */
  timedOut: z.boolean(),
  /** Whether the guest ran out of memory and killed it. */
  oomKilled: z.boolean(),
  stdoutBytes: z.number(),
  stderrBytes: z.number(),
  userUs: z.number(),
  systemUs: z.number(),
  maxRssKb: z.number(),
  /** Wall time measured in the guest, from before the spawn to the end, in microseconds. */
  wallUs: z.number(),
});
export type Exit = z.infer<typeof exitSchema>;

/** Part of every response of the daemon about the end of a process. */
export const endShape = {
  exit_code: z.int(),
  signal: z.int().nullable(),
  timed_out: z.boolean(),
  oom_killed: z.boolean(),
};
type End = Pick<Exit, 'exitCode' | 'signal' | 'timedOut' | 'oomKilled'>;

export const endWireOf = ({ exitCode, signal, timedOut, oomKilled }: End) => ({
  exit_code: exitCode,
  signal,
  timed_out: timedOut,
  oom_killed: oomKilled,
});

/** All details of an end, as the WebSocket of a command reports them. */
export const exitShape = {
  ...endShape,
  stdout_bytes: z.number(),
  stderr_bytes: z.number(),
  user_us: z.number(),
  system_us: z.number(),
  max_rss_kb: z.number(),
  wall_us: z.number(),
};
type ExitWire = { readonly [N in keyof typeof exitShape]: z.infer<(typeof exitShape)[N]> };

export const exitWireOf = (exit: Exit): ExitWire => ({
  ...endWireOf(exit),
  stdout_bytes: exit.stdoutBytes,
  stderr_bytes: exit.stderrBytes,
  user_us: exit.userUs,
  system_us: exit.systemUs,
  max_rss_kb: exit.maxRssKb,
  wall_us: exit.wallUs,
});

export const exitOfWire = (wire: ExitWire): Exit => ({
  exitCode: wire.exit_code,
  signal: wire.signal,
  timedOut: wire.timed_out,
  oomKilled: wire.oom_killed,
  stdoutBytes: wire.stdout_bytes,
  stderrBytes: wire.stderr_bytes,
  userUs: wire.user_us,
  systemUs: wire.system_us,
  maxRssKb: wire.max_rss_kb,
  wallUs: wire.wall_us,
});

/** Exit status of a command that its time limit ended; coreutils' `timeout` uses the same. */
const timedOutStatus = 124;

/** Returns the exit status of a program, such as `nova run`, that passes the command's end on. */
export const exitStatusOf = ({ exitCode, timedOut }: Pick<End, 'exitCode' | 'timedOut'>): number =>
  timedOut ? timedOutStatus : exitCode;

/** Returns the predicate of a sentence about the command. */
export function describeEnd({ exitCode, signal, timedOut, oomKilled }: End, durationMs: number): string {
  if (timedOut) return `was ended by its time limit after ${Math.round(durationMs)} ms`;
  if (oomKilled) return 'was ended because the guest ran out of memory';
  if (signal !== null) return `was ended by ${signalName(signal)}`;
  return `exited with ${exitCode}`;
}

/**
 * Describes an end in Go's words, which E2B's clients read: exit code -1 and not exited if a signal ended the process.
 */
export function goEndOf({ exitCode, signal }: Pick<End, 'exitCode' | 'signal'>) {
  if (signal === null) return { exitCode, exited: true, status: `exit status ${exitCode}`, failed: exitCode !== 0 };
  const name = goSignalNames[signal] ?? `signal ${signal}`;
  return { exitCode: -1, exited: false, status: `signal: ${name}`, failed: true };
}

const goSignalNames: Readonly<Record<number, string>> = {
  1: 'hangup',
  2: 'interrupt',
  3: 'quit',
  4: 'illegal instruction',
  5: 'trace/breakpoint trap',
  6: 'aborted',
  7: 'bus error',
  8: 'floating point exception',
  9: 'killed',
  10: 'user defined signal 1',
  11: 'segmentation fault',
  12: 'user defined signal 2',
  13: 'broken pipe',
  14: 'alarm clock',
  15: 'terminated',
};
