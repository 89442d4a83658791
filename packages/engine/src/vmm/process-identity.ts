import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

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
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
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

export function identify(pid: number): ProcessIdentity | null {
  const startTime = startTimeOf(pid);
  return startTime === null ? null : { pid, startTime };
}

/** How long a start time that was read may be believed, ms: no host gives a pid to another process as fast. */
const believedMs = 100;
/** More than any host has sandboxes. */
const maxBelieved = 10_000;
const believed = new Map<number, { readonly startTime: string; readonly until: number }>();

/** Whether the process still runs. Its end is seen at once; that its pid was given to another, within 100 ms. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const known = believed.get(pid);
  if (known !== undefined && known.startTime === startTime && known.until > performance.now()) return exists(pid);
  if (startTimeOf(pid) !== startTime) {
    believed.delete(pid);
    return false;
  }
  if (believed.size >= maxBelieved) believed.clear();
  believed.set(pid, { startTime, until: performance.now() + believedMs });
  return true;
}

/** Whether the process has ended, also where nobody has yet taken note of its end: its pid is there until then. */
export function hasEnded(identity: ProcessIdentity): boolean {
  if (process.platform !== 'linux') return !isAlive(identity);
  if (startTimeOf(identity.pid) === identity.startTime) return false;
  believed.delete(identity.pid);
  return true;
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process may not be signalled, and is there.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
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
