import { chmod, chown, lchown } from 'node:fs/promises';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineSpec } from '../ports/vmm-driver.ts';
import { vmmIds } from './vmm-ids.ts';

/** The group of VMMs that may open snapshot memory; ours where VMMs run as we do. */
export const memoryGroup = vmmIds?.memoryGroup ?? process.getgid?.() ?? 0;

/** What the VMM has to write belongs to its user; everything else stays ours. */
export async function giveTo(uid: number, spec: MachineSpec, besides: readonly string[]): Promise<void> {
  const owned = [
    ...besides,
    ...spec.drives.filter((drive) => !drive.readOnly && !drive.foreign).map((drive) => drive.path),
  ];
  // A link that an earlier VMM has put there stays one of its own.
  await Promise.all(owned.map((path) => lchown(path, uid, uid)));
}

/** The largest file the VMM of a machine has any business to write, bytes: its disks, or its memory. */
export function largestFile(spec: MachineSpec): number {
  const sizes = spec.drives.filter((drive) => !drive.readOnly).map((drive) => statSync(drive.path).size);
  return Math.max(spec.memoryMb * 1024 * 1024, ...sizes);
}

/** Gives the files of a finished snapshot their owner and modes: ours, and readable by clones alone. */
export async function sealSnapshotFiles(directory: string, modes: Readonly<Record<string, number>>): Promise<void> {
  const uid = process.getuid?.() ?? 0;
  const group = uid === 0 ? memoryGroup : (process.getgid?.() ?? 0);
  await chown(directory, uid, group);
  await chmod(directory, 0o750);
  for (const [file, mode] of Object.entries(modes)) {
    await chown(join(directory, file), uid, group);
    await chmod(join(directory, file), mode);
  }
}
