import { readdir } from 'node:fs/promises';
import { setPriority } from 'node:os';
import type { MachineRecord } from '../ports/vmm-driver.ts';
import { prioritiseCgroup, type CgroupPriority } from './cgroup.ts';

/** How nice a VMM is to others where it has no cgroup (setpriority(2)). */
const niceness = { low: 6, usual: 0 };

/**
 * Makes a VMM yield to the others (`low`: it gets a quarter of what another gets when all want more than there is), or
 * ends that. Without a cgroup, only root may end it, so that a VMM of another user is left as it is. A VMM that has
 * ended is left alone.
 */
export async function prioritise(
  { cgroup, pid }: Pick<MachineRecord, 'cgroup' | 'pid'>,
  priority: CgroupPriority,
): Promise<void> {
  try {
    if (cgroup !== null) await prioritiseCgroup(cgroup, priority);
    else if (process.platform === 'linux' && process.getuid?.() === 0)
      // Each thread has its own; a new one gets that of the thread that starts it.
      for (const thread of await readdir(`/proc/${pid}/task`)) setPriority(Number(thread), niceness[priority]);
  } catch (error) {
    if (!hasEnded(error)) throw error;
  }
}

const hasEnded = (error: unknown): boolean => {
  if (!(error instanceof Error) || !('code' in error)) return false;
  const cause = 'info' in error ? (error.info as { readonly code?: unknown }).code : undefined;
  return [error.code, cause].some((code) => code === 'ENOENT' || code === 'ESRCH');
};
