import type { SandboxRecord } from '../ports/store.ts';
import { isAlive } from '../vmm/process-identity.ts';

/** Ends the process that waits to end a clone which a command has left behind, because the clone was taken or ended. */
export function dismissEnder({ maker, pool }: SandboxRecord): void {
  if (pool === null || pool.expiresAtMs === null || maker === null || !isAlive(maker)) return;
  // At the end of its time, that process becomes the one that ends the clone: this one.
  if (maker.pid === process.pid) return;
  try {
    process.kill(-maker.pid, 'SIGTERM');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
