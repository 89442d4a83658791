import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import type { ProcessIdentity } from '../ports/process-identity.ts';

export type { ProcessIdentity };

/**
 * Start time of a process, or null when there is none. A zombie counts as none, because it holds nothing any more, but
 * only once its last thread has ended: until then its files and ports are held.
 */
export function startTimeOf(pid: number): string | null {
  if (process.platform !== 'linux') return startTimeFromPs(pid);
  let stat: string;
  try {
    stat = readStat(pid);
  } catch (error) {
    // Only these errors mean that it has ended. Treating another error as its end would leave a process behind.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return null;
    throw error;
  }
  // proc(5): the second field is the name in parentheses and may hold anything, so the rest begins after the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, threads] = [fields[0], Number(fields[17])];
  return (state === 'Z' && threads <= 1) || state === 'X' ? null : (fields[19] ?? null);
}

/** Longer than the line can be. */
const statLine = Buffer.alloc(2048);

/** It runs with every call that reaches a sandbox, and takes half the time that readFileSync() takes. */
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

/**
 * Whether the process still runs. A process that has ended counts as ended even where its parent has not yet reaped it
 * and its pid still exists.
 */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  return startTimeOf(pid) === startTime;
}

let own: ProcessIdentity | undefined;

/** The identity of this process. */
export function ownIdentity(): ProcessIdentity {
  own ??= { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' };
  return own;
}

/** ps answers within milliseconds; where it hangs, it is given up after this time, ms. */
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
