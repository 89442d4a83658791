import { readFileSync, statSync } from 'node:fs';

export const userfaultfdDevice = '/dev/userfaultfd';

/**
 * How a VMM can serve its guest's page faults itself: the supplementary group that it needs, or the reason why it
 * cannot.
 */
export type UserfaultfdAccess = { readonly group: number | null } | { readonly reason: string };

/**
 * Whether a process without privileges, of that user (null: ours), may use userfaultfd(2) for faults of the kernel,
 * such as KVM's: by the sysctl vm.unprivileged_userfaultfd, or by opening /dev/userfaultfd (Linux 6.1).
 */
export function userfaultfdAccess(uid: number | null): UserfaultfdAccess {
  try {
    if (readFileSync('/proc/sys/vm/unprivileged_userfaultfd', 'utf8').trim() === '1') return { group: null };
  } catch {
    return { reason: 'this kernel has no userfaultfd' };
  }
  const found = statSync(userfaultfdDevice, { throwIfNoEntry: false });
  if (found === undefined) return { reason: `there is no ${userfaultfdDevice}, and vm.unprivileged_userfaultfd is 0` };
  if ((found.mode & 0o006) === 0o006) return { group: null };
  if ((uid ?? process.getuid?.() ?? 0) === found.uid && (found.mode & 0o600) === 0o600) return { group: null };
  // The group of root must not be given to a VMM.
  if ((found.mode & 0o060) === 0o060 && found.gid !== 0) return { group: found.gid };
  return {
    reason: `${userfaultfdDevice} is for its owner alone: chgrp kvm ${userfaultfdDevice} && chmod 660 ${userfaultfdDevice}`,
  };
}
