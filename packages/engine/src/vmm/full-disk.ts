import { statfs } from 'node:fs/promises';
import { isDiskFull, isNovaError, NovaError } from '@novasandbox/protocol';

/** A file system with less free space than this has no room for a machine's next writes. */
const roomBytes = 1 << 20;

/**
 * Runs `work`, in which a VMM writes to `folder`. A VMM that finds no space ends silently, by a signal or an error of
 * its own. When `work` fails and the disk is full, the error says so.
 */
export async function tellingFullDisk<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isNovaError(error, 'cancelled') || isDiskFull(error) || !(await isFull(folder))) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new NovaError('host_resource_exhausted', `The disk of ${folder} is full, so the VMM failed: ${why}`, {
      cause: error,
      hint: 'Free disk space on the host, or remove sandboxes, then call again.',
    });
  }
}

async function isFull(folder: string): Promise<boolean> {
  const found = await statfs(folder).catch(() => null);
  return found !== null && found.bavail * found.bsize < roomBytes;
}
