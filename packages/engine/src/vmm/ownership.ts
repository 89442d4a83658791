import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lstatSync,
  openSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { vmmFolder } from '../layout.ts';
import type { MachineSpec } from '../ports/vmm-driver.ts';
import { vmmIds } from './vmm-ids.ts';

/** The group of VMMs that may open snapshot memory; ours where VMMs run as we do. */
export const memoryGroup = vmmIds?.memoryGroup ?? process.getgid?.() ?? 0;

const ownUid = (): number => process.getuid?.() ?? 0;

/**
 * Gives the VMM's user what it has to write: its drives, `files` besides, and the folder for its sockets. Every other folder stays ours, so that nothing
 * in it can be exchanged for a link, and lets it through. All of this takes the system less time than a promise takes to be waited for.
 */
export function giveTo(uid: number, spec: MachineSpec, files: readonly string[] = []): void {
  chownSync(vmmFolder(spec.socketDirectory), uid, uid);
  for (const folder of [spec.directory, spec.socketDirectory]) letThrough(folder, uid);
  for (const { path, readOnly, foreign } of spec.drives) if (!readOnly && !foreign) giveFile(path, uid, uid);
  for (const path of files) giveFile(path, uid, uid);
}

/** Has a folder stay ours and lets the user with that group pass through, beside whoever may already. */
export function letThrough(folder: string, gid: number): void {
  const { mode } = statSync(folder);
  chownSync(folder, ownUid(), gid);
  chmodSync(folder, (mode & 0o777) | 0o010);
}

/**
 * Gives a file another owner, and mode. Its name may lead elsewhere by now where a VMM could write: what is no plain file, or has other names too, is left
 * as it is. Throws `vmm_failed` then.
 */
export function giveFile(path: string, uid: number, gid: number, mode?: number): void {
  const file = openPlain(path);
  try {
    const found = fstatSync(file);
    if (!found.isFile() || found.nlink !== 1) throw notPlain(path);
    fchownSync(file, uid, gid);
    if (mode !== undefined) fchmodSync(file, mode);
  } finally {
    closeSync(file);
  }
}

function openPlain(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ELOOP') throw notPlain(path, error);
    throw error;
  }
}

const notPlain = (path: string, cause?: unknown): NovaError =>
  new NovaError('vmm_failed', `${path} is no plain file of its own: its VMM has put something else in its place.`, {
    cause,
  });

/** Takes a file back: nobody but us opens it from then on, and nobody writes it. */
export const takeBack = (path: string): void => giveFile(path, ownUid(), process.getgid?.() ?? 0, 0o400);

/** Whom the VMM of a machine runs as: its sockets' folder is its own. */
export const vmmUser = (socketDirectory: string): { readonly uid: number; readonly gid: number } =>
  lstatSync(vmmFolder(socketDirectory));

/** The largest file the VMM of a machine has any business to write, bytes: its disks, or its memory. */
export function largestFile(spec: MachineSpec): number {
  const sizes = spec.drives.filter((drive) => !drive.readOnly).map((drive) => statSync(drive.path).size);
  return Math.max(spec.memoryMb * 1024 * 1024, ...sizes);
}

/** Gives the files of a finished snapshot their owner and modes: ours, and readable by clones alone. */
export function sealSnapshotFiles(directory: string, modes: Readonly<Record<string, number>>): void {
  const uid = ownUid();
  const group = uid === 0 ? memoryGroup : (process.getgid?.() ?? 0);
  chownSync(directory, uid, group);
  chmodSync(directory, 0o750);
  for (const [file, mode] of Object.entries(modes)) giveFile(join(directory, file), uid, group, mode);
}
