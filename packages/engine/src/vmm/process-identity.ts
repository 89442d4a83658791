import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';

/** A process, told apart from a later one that was given the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** In the host's own unit: clock ticks since boot on Linux, a date elsewhere. */
  readonly startTime: string;
}

/** Start time of a process, or null when there is none (a zombie counts as none: it holds nothing any more). */
export function startTimeOf(pid: number): string | null {
  if (process.platform !== 'linux') return startTimeFromPs(pid);
  let stat: string;
  try {
    stat = readStat(pid);
  } catch (error) {
    // Only these say that it has ended; taking anything else for its end would leave a process behind.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return null;
    throw error;
  }
  // proc(5): the second field is the name in parentheses and may hold anything, so the rest begins after the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  return state === 'Z' || state === 'X' ? null : (fields[19] ?? null);
}

/** More than the line is long. */
const statLine = Buffer.alloc(2048);

/** Asked for with every call that reaches a sandbox: half the time that readFileSync() takes. */
function readStat(pid: number): string {
  const file = openSync(`/proc/${pid}/stat`, 'r');
  try {
    return statLine.toString('latin1', 0, readSync(file, statLine, 0, statLine.length, 0));
  } finally {
    closeSync(file);
  }
}

export function identify(pid: number): ProcessIdentity | null {
  const startTime = startTimeOf(pid);
  return startTime === null ? null : { pid, startTime };
}

/** Whether the process still runs. One that has ended does not, also where nobody has yet taken note of its end and its pid is still there. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  return startTimeOf(pid) === startTime;
}

let own: ProcessIdentity | undefined;

/** This process. */
export function ownIdentity(): ProcessIdentity {
  own ??= { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' };
  return own;
}

/** It answers within milliseconds; a host on which it hangs is not waited for, ms. */
const psMs = 10_000;

function startTimeFromPs(pid: number): string | null {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      timeout: psMs,
    }).trim();
    return line === '' || line.startsWith('Z') ? null : line.replace(/^\S+\s+/, '');
  } catch {
    return null;
  }
}
