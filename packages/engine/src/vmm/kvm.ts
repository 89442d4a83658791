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
 * Who the VMM of the sandbox with that running number runs as, and the group that lets it open /dev/kvm. Where KVM is for root alone the VMM has to stay
 * root to open it (uid null); it has no privileges all the same.
 */
export function kvmUser(sequence: number): { readonly uid: number | null; readonly groups: readonly number[] } {
  const kvm = statSync('/dev/kvm', { throwIfNoEntry: false });
  if (kvm === undefined) return { uid: vmmUid(sequence), groups: [] };
  return { uid: (kvm.mode & 0o060) === 0o060 ? vmmUid(sequence) : null, groups: [kvm.gid] };
}
