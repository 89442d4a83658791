import { existsSync, readlinkSync } from 'node:fs';
import { createLauncher, layoutAt, openNetwork, openSlotRegistry, type Layout } from '@novasandbox/engine';
import { runOnHost } from './run-on-host.ts';

/** Why this host cannot make network slots, as `skip` of a test; false where it can. */
export async function whyNoSlots(): Promise<string | false> {
  await using network = openNetwork(layoutAt(), createLauncher());
  const { slots, reason } = await network.probe();
  return slots ? false : reason;
}

/** The address of a sandbox's slot, read from its namespace; null when it holds none. */
export function slotAddressOf({ home, slotRegistryFile }: Layout, sandbox: string): string | null {
  if (!existsSync(slotRegistryFile)) return null;
  using registry = openSlotRegistry(slotRegistryFile, 1);
  const slot = registry.find({ home, sandbox });
  if (slot === null) return null;
  const shown = runOnHost(`ip -n nova-${slot.number} -4 -o addr show dev up0`);
  return /inet ([\d.]+)/.exec(shown)?.[1] ?? null;
}

export const networkNamespaceOf = (pid: number): string => readlinkSync(`/proc/${pid}/ns/net`);
