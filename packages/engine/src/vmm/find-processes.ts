import { readdirSync, readFileSync } from 'node:fs';
import { identify, type ProcessIdentity } from './process-identity.ts';

/**
 * Processes with an argument that contains `path`. It finds a VMM whose maker was killed before it could record it.
 * Empty where the host has no /proc.
 */
export function processesNaming(path: string): ProcessIdentity[] {
  let pids: number[];
  try {
    pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
  const found: ProcessIdentity[] = [];
  for (const pid of pids) {
    if (pid === process.pid) continue;
    let command: string;
    try {
      command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      continue;
    }
    const identity = command.includes(`${path}/`) ? identify(pid) : null;
    if (identity !== null) found.push(identity);
  }
  return found;
}
