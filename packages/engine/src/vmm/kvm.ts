import { accessSync, constants, existsSync } from 'node:fs';

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
