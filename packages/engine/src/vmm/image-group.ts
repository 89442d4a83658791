import { chmodSync, chownSync, statSync } from 'node:fs';
import { isMapped } from './mapped-ids.ts';

/** No account of a host has the first; the second is for user namespaces that map few numbers. */
const groups = [699_998, 60_577];

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;

/**
 * The group of all VMMs that run as users of their own. It lets them pass through the folders of kernels and images,
 * which are closed to others. Null where they run as we do, or there is no such group.
 */
export const imageGroup: number | null = isRoot ? (groups.find((group) => isMapped('gid', group)) ?? null) : null;

/**
 * Lets VMMs, and nobody else, pass through a folder of ours to files whose names they know, whatever the umask is. A
 * folder that has this mode already stays untouched.
 */
export function openToVmms(folder: string): void {
  const found = statSync(folder);
  if (imageGroup !== null && found.gid !== imageGroup) chownSync(folder, found.uid, imageGroup);
  // Without this group, everybody may pass where VMMs run as other users.
  const mode = imageGroup !== null ? 0o710 : isRoot ? 0o711 : 0o700;
  if ((found.mode & 0o7777) !== mode) chmodSync(folder, mode);
}

/** Lets VMMs, and nobody else, read a file of ours in a folder which others may pass through. */
export function readableToVmms(file: string): void {
  if (imageGroup !== null) chownSync(file, statSync(file).uid, imageGroup);
  // Without this group, everybody may read it where VMMs run as other users.
  chmodSync(file, imageGroup !== null ? 0o640 : isRoot ? 0o644 : 0o600);
}
