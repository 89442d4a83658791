import { accessSync, constants } from 'node:fs';
import type { NetworkProbe } from '../../ports/network.ts';
import { findProgram } from '../../vmm/confine.ts';
import { keptVerdict } from '../../vmm/verdict.ts';
import { probeSchema } from '../probe.ts';
import { tunDevice } from '../slots.ts';
import { programs, searchPath, startKeeper } from './keeper.ts';

export interface ProbeOptions {
  readonly probeDirectory: string;
  readonly fresh: boolean;
}

const userMode = 'user-mode networking by the VMM, because only root can link network namespaces to the host';

/** Proves that sandboxes with a policy can have a slot, by making one. */
export async function probeRootless({ probeDirectory, fresh }: ProbeOptions): Promise<NetworkProbe> {
  const none = (why: string): NetworkProbe => ({
    slots: false,
    slotsForPolicies: false,
    reason: `${userMode}; there are no network policies: ${why}`,
  });
  const why = whyNotAtAll();
  const unshare = findProgram('unshare', searchPath());
  if (why !== null || unshare === null) return none(why ?? 'not installed: unshare');
  return keptVerdict(
    {
      ...{ directory: probeDirectory, name: 'network-rootless', binary: unshare, schema: probeSchema, fresh },
      works: ({ slotsForPolicies }) => slotsForPolicies,
    },
    async () => {
      try {
        await (await startKeeper(undefined)).end();
      } catch (error) {
        return none(error instanceof Error ? error.message : String(error));
      }
      return {
        slots: false,
        slotsForPolicies: true,
        reason: `${userMode}; with a policy a network slot in a user namespace`,
      };
    },
  );
}

/** Why this process cannot make slots without root, whatever the kernel allows; null: it may be able to. */
function whyNotAtAll(): string | null {
  if (process.env['NOVA_NETWORK'] === 'user') return 'NOVA_NETWORK=user asks for it';
  if (process.platform !== 'linux') return 'only Linux has network namespaces';
  try {
    accessSync(tunDevice, constants.R_OK | constants.W_OK);
  } catch {
    return `this user may not open ${tunDevice}, or it is missing`;
  }
  const missing = Object.entries(programs).filter(([program]) => findProgram(program, searchPath()) === null);
  return missing.length === 0
    ? null
    : `not installed: ${missing.map(([program, name]) => `${program} (${name})`).join(', ')}`;
}
