import { lstatSync, readlinkSync, type BigIntStats } from 'node:fs';
import { join } from 'node:path';
import type { WorkspaceEntryType } from '../types.ts';

/** The entry at a path of the host's folder, without the content of a file. */
export interface HostEntry {
  /** Relative to the folder. */
  readonly path: string;
  readonly type: WorkspaceEntryType;
  /** Permission bits without set-user-id and the like, which mean nothing on another machine. */
  readonly mode: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  /** Changes whenever the file does. */
  readonly version: string;
  /** The version, if it tells later whether the file has changed; null where it has only just changed. */
  readonly lasting: string | null;
  readonly link: string | null;
}

/** Names in an unfinished `apply`; they are of no workspace. */
export const partName = /^\.nova-[0-9a-f]{16}\.part$/;

export function entryAt(path: string, onDisk: string, found: BigIntStats): HostEntry {
  const type = typeOf(found);
  return {
    path,
    type,
    mode: Number(found.mode & 0o777n),
    size: type === 'file' ? Number(found.size) : 0,
    mtimeSeconds: Math.max(0, Number(found.mtimeNs / 1_000_000_000n)),
    version: versionOf(found),
    lasting: isSettled(found) ? versionOf(found) : null,
    link: type === 'symlink' ? readlinkSync(onDisk) : null,
  };
}

export const versionOf = ({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  `${ino}-${size}-${mtimeNs}-${ctimeNs}`;

/** A file that has just changed may change again within the precision of its time. */
const settledMs = 50;

const isSettled = ({ ctimeMs }: BigIntStats): boolean => Date.now() - Number(ctimeMs) > settledMs;

/** Describes what is at a path; null where there is nothing. */
export function lookAt(top: string, path: string): HostEntry | null {
  const onDisk = join(top, path);
  const found = lstatSync(onDisk, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? null : entryAt(path, onDisk, found);
}

function typeOf(found: BigIntStats): WorkspaceEntryType {
  if (found.isFile()) return 'file';
  if (found.isDirectory()) return 'directory';
  return found.isSymbolicLink() ? 'symlink' : 'other';
}
