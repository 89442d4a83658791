import { copyFile, open, readFile, rename, rm } from 'node:fs/promises';
import { constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import type { MachineRecord } from '../../ports/vmm-driver.ts';
import { giveFile, sealSnapshotFiles, vmmUser } from '../../vmm/ownership.ts';
import type { FirecrackerApi } from './api.ts';
import { memoryFile, snapshotRequest, stateFile } from './config.ts';
import { outFolder } from './jail.ts';

/**
 * Snapshots a paused machine into `directory`. Firecracker sees nothing but its own folder, so it writes there, and the
 * files are moved. A diff is written over the previous snapshot: in a file of the right size, Firecracker leaves
 * unchanged pages as they are.
 */
export async function takeSnapshot(
  api: FirecrackerApi,
  record: Pick<MachineRecord, 'directory' | 'socketDirectory'>,
  directory: string,
  kind: 'full' | 'diff',
  signal?: AbortSignal,
): Promise<void> {
  const out = join(record.directory, outFolder);
  const [memory, state] = [join(out, memoryFile), join(out, stateFile)];
  const base = join(directory, memoryFile);
  const diff = kind === 'diff' && !(await swaps());
  try {
    if (diff) await lend(base, memory, record);
    await api.send([snapshotRequest(outFolder, diff ? 'diff' : 'full')], signal);
    await move(memory, base);
    await move(state, join(directory, stateFile));
  } catch (error) {
    if (diff && existsSync(memory)) await move(memory, base);
    await Promise.all([memory, state].map((path) => rm(path, { force: true })));
    if (isNovaError(error, 'cancelled')) throw error;
    throw new NovaError('snapshot_failed', `The snapshot could not be taken: ${String(error)}`, { cause: error });
  }
  sealSnapshotFiles(directory, { [memoryFile]: 0o440, [stateFile]: 0o440 });
}

/**
 * Whether this host may have memory of guests in its swap. Firecracker then takes changed pages for unchanged ones,
 * because it goes by which pages are in memory (mincore(2)), so everything is written instead, which gives the same
 * files.
 */
async function swaps(): Promise<boolean> {
  const lines = (await readFile('/proc/swaps', 'utf8')).trim().split('\n');
  return lines.length > 1;
}

/** Gives Firecracker the memory of the previous snapshot to write over. */
async function lend(
  base: string,
  memory: string,
  { socketDirectory }: Pick<MachineRecord, 'socketDirectory'>,
): Promise<void> {
  const { uid, gid } = vmmUser(socketDirectory);
  await move(base, memory);
  giveFile(memory, uid, gid, 0o600);
}

/**
 * Moves a file between a folder of ours and Firecracker's. Firecracker may have put anything under that name, so no
 * link is followed.
 */
async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EXDEV')) throw error;
    await using file = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    await rm(to, { force: true });
    await copyFile(`/proc/self/fd/${file.fd}`, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    await rm(from);
  }
}
