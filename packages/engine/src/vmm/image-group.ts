import { chmodSync, chownSync, statSync } from 'node:fs';
import { isMapped } from './mapped-ids.ts';

/** No account of a host has the first; the second is for user namespaces that map few numbers. */
const groups = [699_998, 60_577];

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;

/**
 * The group of all VMMs that run as users of their own: it lets them pass through the folders of kernels and images, which are closed to others. Null where
 * they run as we do, or there is no such group.
 */
export const imageGroup: number | null = isRoot ? (groups.find((group) => isMapped('gid', group)) ?? null) : null;

/**
 * Lets VMMs pass through a folder of ours to files whose names they know, and nobody else, whatever the umask. A folder that is so already stays
 * untouched.
 */
export function openToVmms(folder: string): void {
  const found = statSync(folder);
  if (imageGroup !== null && found.gid !== imageGroup) chownSync(folder, found.uid, imageGroup);
  // Without such a group anybody may pass, where VMMs are other users.
  const mode = imageGroup !== null ? 0o710 : isRoot ? 0o711 : 0o700;
  if ((found.mode & 0o7777) !== mode) chmodSync(folder, mode);
}

/** Lets VMMs, and nobody else, read a file of ours that lies in a folder which others may pass through. */
export function readableToVmms(file: string): void {
  if (imageGroup !== null) chownSync(file, statSync(file).uid, imageGroup);
  // Without such a group anybody may read it, where VMMs are other users.
  chmodSync(file, imageGroup !== null ? 0o640 : isRoot ? 0o644 : 0o600);
}
