import type { HypervisorName } from '@novasandbox/protocol';
import { layoutAt } from '@novasandbox/engine';
import { driversOf } from './drivers.ts';
import { whyNoSlots } from './slots.ts';

/** Hypervisors that need KVM and a program that not every host has: tests of these run where both are there, in the lab (`nova lab`) at the latest. */
export const kvmHypervisors = ['firecracker', 'cloud-hypervisor'] as const;

/** Against hangs alone: the lab is emulated. */
export const bootTimeoutMs = 300_000;

/** Why that hypervisor does not run here, or why there are no network slots for it, as `skip` of a test; false where there are. */
export async function whyNot(name: HypervisorName, { slots = false } = {}): Promise<string | false> {
  const { driver } = await driversOf(layoutAt(), name);
  const { available, reason } = await driver.probe();
  if (!available) return reason;
  return slots ? whyNoSlots() : false;
}
