import { accessSync, constants, existsSync, statSync } from 'node:fs';

/** Why this process cannot even try KVM, or null where /dev/kvm opens: that alone proves nothing, a probe boot does. */
export function whyNoKvm(): string | null {
  if (!existsSync('/dev/kvm')) return 'this host has no /dev/kvm';
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return null;
  } catch {
    return '/dev/kvm may not be opened by this user (`nova doctor` says what helps)';
  }
}

/**
 * The groups with which a VMM that runs as a user of its own can open /dev/kvm. Null where KVM is for root alone: the VMM
 * has to stay root to open it, and has no privileges all the same.
 */
export function kvmGroups(): readonly number[] | null {
  const kvm = statSync('/dev/kvm', { throwIfNoEntry: false });
  if (kvm === undefined || mayUse(kvm.mode)) return [];
  return mayUse(kvm.mode >> 3) ? [kvm.gid] : null;
}

/** Whether the lowest three bits of a mode are those of somebody who may read and write. */
const mayUse = (mode: number): boolean => (mode & 0o6) === 0o6;
