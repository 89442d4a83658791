import { readdirSync, readFileSync } from 'node:fs';
import type { Layout } from '@novasandbox/engine';

/** The pids of the process that decides what the sandboxes of a state folder reach. */
export function egressProcesses({ egress }: Layout): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').includes(egress.socket) ? [Number(name)] : [];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}
