import { NovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { GuestAgent } from '../ports/guest-agent.ts';
import type { CallContext } from '../services.ts';
import { forwardsOf } from '../guest/connection.ts';
import { unsupported } from '../guest/features.ts';
import { governanceOf } from '../guest/governance.ts';
import { connectToAgent } from './find.ts';
import { guestDevice, untilSeen } from './guest-devices.ts';

/**
 * Gives a running sandbox the network that it was made without, or that was taken from it: a slot, made in the
 * namespace that its VMM is in already. A sandbox that has a network is left alone. One whose network was half given by
 * a process that was killed gets the rest. After an error it has none.
 */
export async function addNetwork(context: EngineContext, ref: string, { signal }: CallContext = {}): Promise<void> {
  const { record, machine, agent } = await connectToAgent(context, ref, signal);
  if (machine.addNetwork === undefined) throw unsupported(context, record.hypervisor, 'hotplug');
  const { slots, reason } = await context.network.probe({ signal });
  if (!slots)
    throw new NovaError(
      'feature_unsupported',
      `A network can be added to a running sandbox as a slot alone: ${reason}.`,
    );
  await using undo = new AsyncDisposableStack();
  const take = async () => {
    const taken = await context.network.take(record.id, {
      forwards: forwardsOf(record.config),
      within: machine.record,
      governance: governanceOf(context, record),
      signal,
    });
    undo.defer(() => context.network.giveBack(record.id));
    undo.defer(() => machine.removeNetwork?.({}));
    return taken;
  };
  const slot = context.network.held(record.id) ?? (await take());
  await machine.addNetwork(slot.machine, { signal });
  const name = await untilSeen(
    () => interfaceOf(agent, slot.machine.mac, signal),
    'The guest has not taken the new network.',
    signal,
  );
  await agent.configure({ network: { ...slot.guest, interface: name } }, { signal });
  context.network.handTo(record.id, machine.record);
  undo.move();
}

/**
 * Takes its network from a running sandbox, with all connections; one without is left alone. The next start follows its
 * config again.
 */
export async function removeNetwork(context: EngineContext, ref: string, { signal }: CallContext = {}): Promise<void> {
  const { record, machine, agent } = await connectToAgent(context, ref, signal);
  if (machine.removeNetwork === undefined) throw unsupported(context, record.hypervisor, 'hotplug');
  const slot = context.network.held(record.id);
  await machine.removeNetwork({ signal });
  // From here on the network leads nowhere, even if the guest keeps the interface.
  await context.network.giveBack(record.id);
  if (slot === null) return;
  await untilSeen(
    async () => (await interfaceOf(agent, slot.machine.mac, signal)) === null || null,
    'The guest does not let go of its network, which leads nowhere any more.',
    signal,
  );
}

const interfaceOf = (agent: GuestAgent, mac: string, signal: AbortSignal | undefined): Promise<string | null> =>
  guestDevice(agent, '/sys/class/net', 'address', mac, signal);
