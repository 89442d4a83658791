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
 * Gives the VMM's user the files that it has to write: its drives, `files`, and the folder for its sockets. Every other
 * folder stays ours, so that nothing in it can be replaced by a link, and lets the user pass through. The calls are
 * synchronous, because they take less time than waiting for a promise.
 */
export function giveTo(uid: number, spec: MachineSpec, files: readonly string[] = []): void {
  chownSync(vmmFolder(spec.socketDirectory), uid, uid);
  for (const folder of [spec.directory, spec.socketDirectory]) letThrough(folder, uid);
  for (const { path, readOnly, foreign } of spec.drives) if (!readOnly && !foreign) giveFile(path, uid, uid);
  for (const path of files) giveFile(path, uid, uid);
}

/** Keeps a folder ours, and lets members of that group pass through, besides those who may already. */
export function letThrough(folder: string, gid: number): void {
  const { mode } = statSync(folder);
  chownSync(folder, ownUid(), gid);
  chmodSync(folder, (mode & 0o777) | 0o010);
}

/**
 * Gives a file another owner and mode. In a folder that a VMM can write, the name may have been replaced: anything but
 * a plain file with a single name is left as it is, and `vmm_failed` is thrown.
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
  new NovaError('vmm_failed', `${path} is not a plain file with a single name: the VMM has replaced it.`, {
    cause,
  });

/** Takes a file back: from then on only we can open it, and nobody can write it. */
export const takeBack = (path: string): void => giveFile(path, ownUid(), process.getgid?.() ?? 0, 0o400);

/** Takes a file back so that we, and the VMM that it is given to next, can write it. */
export const writableAgain = (path: string): void => giveFile(path, ownUid(), process.getgid?.() ?? 0, 0o600);

/** The user that the VMM of a machine runs as, which is the owner of the folder of its sockets. */
export const vmmUser = (socketDirectory: string): { readonly uid: number; readonly gid: number } =>
  lstatSync(vmmFolder(socketDirectory));

/** The largest file that the VMM of a machine may need to write, bytes: a disk, once it has grown, or its memory. */
export function largestFile(spec: MachineSpec): number {
  const sizes = spec.drives.filter((drive) => !drive.readOnly).map((drive) => statSync(drive.path).size);
  return Math.max(spec.memoryMb * 1024 * 1024, ...sizes.map((size) => size + roomToGrow(size)));
}

const gibibyte = 2 ** 30;

/**
 * How much a disk may grow while its VMM runs. Only root of the whole host could raise the VMM's limit later. A
 * captured VMM could use the room for itself, so it is no more than the disk itself; huge disks have none, because file
 * systems have a largest file too.
 */
const roomToGrow = (bytes: number): number => (bytes > 8192 * gibibyte ? 0 : Math.min(bytes, 256 * gibibyte));

/** Gives the files of a finished snapshot their owner and modes: they are ours, and only clones can read them. */
export function sealSnapshotFiles(directory: string, modes: Readonly<Record<string, number>>): void {
  const uid = ownUid();
  const group = uid === 0 ? memoryGroup : (process.getgid?.() ?? 0);
  chownSync(directory, uid, group);
  chmodSync(directory, 0o750);
  for (const [file, mode] of Object.entries(modes)) giveFile(join(directory, file), uid, group, mode);
}
