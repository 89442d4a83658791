import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { vmmUid } from './confine.ts';

/** Why this process cannot even try KVM, or null where /dev/kvm opens: that alone proves nothing, a probe boot does. */
export function whyNoKvm(): string | null {
  if (!existsSync('/dev/kvm')) return 'this host has no /dev/kvm';
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return null;
  } catch {
    return '/dev/kvm may not be opened by this user (add it to the group kvm)';
  }
}

/**
 * Who the VMM of the sandbox with that running number runs as, and the group that lets it open /dev/kvm, where it takes one. Where KVM is for root
 * alone the VMM has to stay root to open it (uid null); it has no privileges all the same.
 */
export function kvmUser(sequence: number): { readonly uid: number | null; readonly groups: readonly number[] } {
  const kvm = statSync('/dev/kvm', { throwIfNoEntry: false });
  if (kvm === undefined || mayUse(kvm.mode)) return { uid: vmmUid(sequence), groups: [] };
  return mayUse(kvm.mode >> 3) ? { uid: vmmUid(sequence), groups: [kvm.gid] } : { uid: null, groups: [] };
}

/** Whether the lowest three bits of a mode are those of somebody who may read and write. */
const mayUse = (mode: number): boolean => (mode & 0o6) === 0o6;
