import { existsSync } from 'node:fs';
import { z } from 'zod';
import type { NetworkProbe } from '../ports/network.ts';
import { findProgram } from '../vmm/confine.ts';
import { keptVerdict } from '../vmm/verdict.ts';
import type { SlotHost } from './commands.ts';
import { makeSlot, programs, takeDown, tunDevice } from './slots.ts';

export interface ProbeNetworkOptions {
  readonly probeDirectory: string;
  readonly fresh: boolean;
  readonly host: () => SlotHost;
}

export const probeSchema = z.object({ slots: z.boolean(), slotsForPolicies: z.boolean(), reason: z.string() });

/** Why this process cannot make slots at all; null: it may be able to. */
export function whyNoSlots(): string | null {
  if (process.env['NOVA_NETWORK'] === 'user') return 'NOVA_NETWORK=user asks for it';
  if (process.platform !== 'linux') return 'only Linux has network namespaces';
  if (process.getuid?.() !== 0) return 'only root can make network namespaces';
  if (!existsSync(tunDevice)) return `there is no ${tunDevice}`;
  const missing = Object.entries(programs).filter(([program]) => findProgram(program) === null);
  if (missing.length > 0)
    return `not installed: ${missing.map(([program, name]) => `${program} (${name})`).join(', ')}`;
  return null;
}

const works = (reason: string): NetworkProbe => ({ slots: true, slotsForPolicies: true, reason });

/** Proves that slots work by making one and taking it down. */
export async function probeNetwork({ probeDirectory, fresh, host }: ProbeNetworkOptions): Promise<NetworkProbe> {
  const userMode = (why: string): NetworkProbe => ({
    slots: false,
    slotsForPolicies: false,
    reason: `user-mode networking by the VMM: ${why}`,
  });
  const nft = findProgram('nft');
  const why = whyNoSlots();
  if (why !== null || nft === null) return userMode(why ?? 'not installed: nft');
  const decide = async (): Promise<NetworkProbe> => {
    const { registry } = host();
    const slot = registry.reserve(null, []);
    if (slot === null) return works('network slots: all of them are in use');
    try {
      await makeSlot(host(), slot);
    } catch (error) {
      return userMode(error instanceof Error ? error.message : String(error));
    } finally {
      const made = registry.list().find(({ number }) => number === slot.number);
      if (made !== undefined) await takeDown(host(), made);
    }
    return works('network slots: a namespace with a tap each, NAT by nftables');
  };
  return keptVerdict(
    {
      ...{ directory: probeDirectory, name: 'network', binary: nft, schema: probeSchema, fresh },
      works: ({ slots }) => slots,
    },
    decide,
  );
}
