import { constants, statSync } from 'node:fs';
import { chmod, chown, lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { vmmFolder } from '../layout.ts';
import type { MachineSpec } from '../ports/vmm-driver.ts';
import { allOf } from './all-of.ts';

/** The group of VMMs that may open snapshot memory; no account of the host has it. */
export const memoryGroup = 699_999;

const ownUid = (): number => process.getuid?.() ?? 0;

/**
 * Gives the VMM's user what it has to write: its drives, `files` besides, and the folder for its sockets. Every other folder stays ours, so that nothing
 * in it can be exchanged for a link, and lets it through.
 */
export async function giveTo(uid: number, spec: MachineSpec, files: readonly string[] = []): Promise<void> {
  const drives = spec.drives.filter((drive) => !drive.readOnly && !drive.foreign).map((drive) => drive.path);
  await allOf([
    chown(vmmFolder(spec.socketDirectory), uid, uid),
    ...[spec.directory, spec.socketDirectory].map((folder) => letThrough(folder, uid)),
    ...[...drives, ...files].map((path) => giveFile(path, uid, uid)),
  ]);
}

/** Has a folder stay ours and lets the user with that group pass through, beside whoever may already. */
export async function letThrough(folder: string, gid: number): Promise<void> {
  const { mode } = statSync(folder);
  await chown(folder, ownUid(), gid);
  await chmod(folder, (mode & 0o777) | 0o010);
}

/**
 * Gives a file another owner, and mode. Its name may lead elsewhere by now where a VMM could write: what is no plain file, or has other names too, is left
 * as it is. Rejects with `vmm_failed` then.
 */
export async function giveFile(path: string, uid: number, gid: number, mode?: number): Promise<void> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  await using file = await open(path, flags).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ELOOP') throw notPlain(path, error);
    throw error;
  });
  const found = await file.stat();
  if (!found.isFile() || found.nlink !== 1) throw notPlain(path);
  await file.chown(uid, gid);
  if (mode !== undefined) await file.chmod(mode);
}

const notPlain = (path: string, cause?: unknown): NovaError =>
  new NovaError('vmm_failed', `${path} is no plain file of its own: its VMM has put something else in its place.`, {
    cause,
  });

/** Takes a file back: nobody but us opens it from then on, and nobody writes it. */
export const takeBack = (path: string): Promise<void> => giveFile(path, ownUid(), process.getgid?.() ?? 0, 0o400);

/** Whom the VMM of a machine runs as: its sockets' folder is its own. */
export async function vmmUser(socketDirectory: string): Promise<{ readonly uid: number; readonly gid: number }> {
  return lstat(vmmFolder(socketDirectory));
}

/** The largest file the VMM of a machine has any business to write, bytes: its disks, or its memory. */
export function largestFile(spec: MachineSpec): number {
  const sizes = spec.drives.filter((drive) => !drive.readOnly).map((drive) => statSync(drive.path).size);
  return Math.max(spec.memoryMb * 1024 * 1024, ...sizes);
}

/** Gives the files of a finished snapshot their owner and modes: ours, and readable by clones alone. */
export async function sealSnapshotFiles(directory: string, modes: Readonly<Record<string, number>>): Promise<void> {
  const uid = ownUid();
  const group = uid === 0 ? memoryGroup : (process.getgid?.() ?? 0);
  await chown(directory, uid, group);
  await chmod(directory, 0o750);
  for (const [file, mode] of Object.entries(modes)) await giveFile(join(directory, file), uid, group, mode);
}
