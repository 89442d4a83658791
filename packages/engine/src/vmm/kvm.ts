import { accessSync, constants, existsSync, statSync } from 'node:fs';

/**
 * Why this process cannot even try KVM, or null where /dev/kvm opens. Opening it does not prove that KVM works; a probe
 * boot does.
 */
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
 * The groups with which a VMM that runs as a user of its own can open /dev/kvm. Null where only root can open KVM: the
 * VMM then has to stay root, but still has no privileges.
 */
export function kvmGroups(): readonly number[] | null {
  const kvm = statSync('/dev/kvm', { throwIfNoEntry: false });
  if (kvm === undefined || mayUse(kvm.mode)) return [];
  return mayUse(kvm.mode >> 3) ? [kvm.gid] : null;
}

/** Whether the lowest three bits of a mode allow reading and writing. */
const mayUse = (mode: number): boolean => (mode & 0o6) === 0o6;
