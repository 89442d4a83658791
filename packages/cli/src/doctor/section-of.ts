import type { HypervisorReport, Vmm } from '@novasandbox/engine';
import type { Section } from './finding.ts';

/** Facts about the machine that decide which hypervisors it can have. */
export interface MachineFacts {
  readonly platform: NodeJS.Platform;
  /** Whether this user may open /dev/kvm. */
  readonly kvmOpens: boolean;
}

/**
 * Sorts a hypervisor: its sandboxes run here, this machine could have it too, or it is for other machines.
 *
 * @param kvm how it uses KVM; the only hypervisor that never uses it is macOS's own
 */
export function sectionOf(
  { probe }: HypervisorReport,
  kvm: Vmm['kvm'] | undefined,
  all: readonly HypervisorReport[],
  { platform, kvmOpens }: MachineFacts,
): Section {
  if (probe.available) return 'needed';
  if (kvm === 'unused') return platform === 'darwin' ? 'better' : 'elsewhere';
  if (kvm !== 'needed') return 'better';
  return platform === 'linux' && hasKvm(all, kvmOpens) ? 'better' : 'elsewhere';
}

/** A probe boot is more reliable than the device, which may open although no guest runs on it. */
function hasKvm(all: readonly HypervisorReport[], kvmOpens: boolean): boolean {
  const working = all.filter(({ probe }) => probe.available);
  if (working.some(({ probe }) => probe.accelerator === 'kvm')) return true;
  return kvmOpens && !working.some(({ probe }) => probe.accelerator === 'tcg');
}
