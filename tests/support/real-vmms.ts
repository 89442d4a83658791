import { ownHypervisors, type OwnHypervisor } from '@novasandbox/protocol';
import { drivers, layoutAt } from '@novasandbox/engine';
import { driversOf } from './drivers.ts';
import { whyNoSlots } from './slots.ts';

/**
 * Hypervisors that need KVM and a program that not every host has. Their tests run where both exist, and always in the
 * lab (`nova lab`).
 */
export const kvmHypervisors = ownHypervisors.filter((name) => drivers[name].vmm?.kvm === 'needed');

/** Only against hangs, because the lab is emulated. */
export const bootTimeoutMs = 300_000;

/**
 * Why that hypervisor does not run here, or why there are no network slots for it, as `skip` of a test; false where
 * both work.
 */
export async function whyNot(name: OwnHypervisor, { slots = false } = {}): Promise<string | false> {
  const { driver } = await driversOf(layoutAt(), name);
  const { available, reason } = await driver.probe();
  if (!available) return reason;
  return slots ? whyNoSlots() : false;
}
