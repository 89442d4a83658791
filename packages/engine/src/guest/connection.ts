import type { SandboxConfig } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { Governance, PortForward } from '../ports/network.ts';
import type { GuestIdentity } from '../ports/guest-agent.ts';
import type { NetworkSpec } from '../ports/vmm-driver.ts';
import type { SandboxPlan } from './plan.ts';

/** A network as the machine and as its guest see it. */
export interface Connection {
  readonly machine: NetworkSpec;
  /** The settings for a guest that boots cold; a clone has them from its snapshot. */
  readonly guest: GuestIdentity['network'];
}

/** The settings of every guest in QEMU's user-mode network (its documented defaults). */
const userNetwork = {
  interface: 'eth0',
  address: '10.0.2.15/24',
  gateway: '10.0.2.2',
  dns: ['10.0.2.3'],
} as const;

/**
 * An address in the network that macOS's NAT uses unless the system is set up otherwise (vmnet's 192.168.64.0/24), from
 * the half that its DHCP server assigns last.
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
 * Begins to set up the network that was planned for a machine: making a slot takes longer than the other steps before a
 * VMM starts, so it is begun early and awaited late. `undo` gives a slot back.
 */
export function startConnecting(
  undo: AsyncDisposableStack,
  context: Pick<EngineContext, 'network'>,
  wanted: ConnectionWanted,
): Promise<Connection> {
  if (wanted.network === 'slot') undo.defer(() => context.network.giveBack(wanted.id));
  const connecting = connect(context, wanted);
  // Avoids an unhandled rejection where something else fails before this is awaited.
  connecting.catch(() => undefined);
  return connecting;
}

export interface ConnectionWanted {
  readonly id: string;
  readonly sequence: number;
  readonly network: SandboxPlan['network'];
  readonly forwards: readonly PortForward[];
  /** The policy that the egress process enforces for it, if there is one. */
  readonly governance?: Governance | undefined;
  readonly signal?: AbortSignal | undefined;
}

async function connect(
  context: Pick<EngineContext, 'network'>,
  { id, sequence, network, forwards, governance, signal }: ConnectionWanted,
): Promise<Connection> {
  switch (network) {
    case 'none':
      return { machine: { mode: 'none' }, guest: undefined };
    case 'user':
      return { machine: { mode: 'user', forwards }, guest: userNetwork };
    case 'nat':
      return { machine: { mode: 'nat' }, guest: natNetwork(sequence) };
    case 'slot':
      return context.network.take(id, { forwards, governance, signal });
  }
}
