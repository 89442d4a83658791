import type { SandboxConfig } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { PortForward } from '../ports/network.ts';
import type { GuestIdentity } from '../ports/guest-agent.ts';
import type { SandboxRecord } from '../ports/store.ts';
import type { NetworkSpec } from '../ports/vmm-driver.ts';
import type { SandboxPlan } from './plan.ts';

/** A sandbox's network as its machine and as its guest see it. */
export interface Connection {
  readonly machine: NetworkSpec;
  /** A clone has it from its snapshot. */
  readonly guest: GuestIdentity['network'];
}

/** What QEMU's user-mode network gives every guest (its documented defaults). */
const userNetwork = {
  interface: 'eth0',
  address: '10.0.2.15/24',
  gateway: '10.0.2.2',
  dns: ['10.0.2.3'],
} as const;

/**
 * An address in the network that macOS's NAT uses unless the system is set up otherwise (vmnet's 192.168.64.0/24), from the half that its DHCP server
 * comes to last.
 */
const natNetwork = (sequence: number) => ({
  interface: 'eth0',
  address: `192.168.64.${128 + (sequence % 126)}/24`,
  gateway: '192.168.64.1',
  dns: ['192.168.64.1'],
});

export const forwardsOf = ({ hostPort, guestPort }: Pick<SandboxConfig, 'hostPort' | 'guestPort'>): PortForward[] =>
  hostPort === undefined ? [] : [{ hostPort, guestPort }];

/**
 * The network that was planned for a sandbox. A slot is held from then on: whoever asks gives it back (`network.giveBack`) when nothing came of it.
 * Making one takes longer than what else comes before a VMM starts, so it is asked for early and awaited late.
 */
export async function connect(
  context: Pick<EngineContext, 'network'>,
  { id, sequence }: Pick<SandboxRecord, 'id' | 'sequence'>,
  config: Pick<SandboxConfig, 'hostPort' | 'guestPort'>,
  plan: Pick<SandboxPlan, 'network'>,
  signal: AbortSignal | undefined,
): Promise<Connection> {
  if (plan.network === 'none') return { machine: { mode: 'none' }, guest: undefined };
  const forwards = forwardsOf(config);
  if (plan.network === 'user') return { machine: { mode: 'user', forwards }, guest: userNetwork };
  if (plan.network === 'nat') return { machine: { mode: 'nat' }, guest: natNetwork(sequence) };
  return context.network.take(id, { forwards, signal });
}
