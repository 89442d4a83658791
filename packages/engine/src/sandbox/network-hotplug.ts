import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { GuestAgent } from '../ports/guest-agent.ts';
import type { CallContext } from '../services.ts';
import { forwardsOf } from './connect.ts';
import { unsupported } from './features.ts';
import { linked } from './find.ts';

/**
 * Gives a running sandbox the network that it was made without, or that was taken from it: a slot, made in the namespace that its VMM is in
 * already. One that has a network is left alone; one that was being given when its giver was killed is finished. After an error it has none.
 */
export async function addNetwork(context: EngineContext, ref: string, { signal }: CallContext = {}): Promise<void> {
  const { record, machine, agent } = await linked(context, ref, signal);
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
      signal,
    });
    undo.defer(() => context.network.giveBack(record.id));
    undo.defer(() => machine.removeNetwork?.({}));
    return taken;
  };
  const slot = context.network.held(record.id) ?? (await take());
  await machine.addNetwork(slot.machine, { signal });
  const name = await untilSeen(agent, slot.machine.mac, signal);
  await agent.configure({ network: { ...slot.guest, interface: name } }, { signal });
  context.network.handTo(record.id, machine.record);
  undo.move();
}

/** Takes its network from a running sandbox, with all connections; one without is left alone. The next start follows its config again. */
export async function removeNetwork(context: EngineContext, ref: string, { signal }: CallContext = {}): Promise<void> {
  const { record, machine, agent } = await linked(context, ref, signal);
  if (machine.removeNetwork === undefined) throw unsupported(context, record.hypervisor, 'hotplug');
  const slot = context.network.held(record.id);
  await machine.removeNetwork({ signal });
  // Whether the guest lets go of it or not, it leads nowhere from here on.
  await context.network.giveBack(record.id);
  if (slot !== null) await untilGone(agent, slot.machine.mac, signal);
}

/** A guest sees a network come and go within moments, or never. */
const seenWithinMs = 10_000;
const lookEveryMs = 10;

async function untilSeen(agent: GuestAgent, mac: string, signal: AbortSignal | undefined): Promise<string> {
  const end = performance.now() + seenWithinMs;
  for (;;) {
    const name = await interfaceOf(agent, mac, signal);
    if (name !== null) return name;
    if (performance.now() > end) throw new NovaError('vmm_failed', 'The guest has not taken the new network.');
    await delay(lookEveryMs, undefined, { signal });
  }
}

async function untilGone(agent: GuestAgent, mac: string, signal: AbortSignal | undefined): Promise<void> {
  const end = performance.now() + seenWithinMs;
  while ((await interfaceOf(agent, mac, signal)) !== null) {
    if (performance.now() > end)
      throw new NovaError('vmm_failed', 'The guest does not let go of its network, which leads nowhere any more.');
    await delay(lookEveryMs, undefined, { signal });
  }
}

/** Names depend on the order that interfaces came in. */
async function interfaceOf(agent: GuestAgent, mac: string, signal: AbortSignal | undefined): Promise<string | null> {
  const found = await agent.list('/sys/class/net', { depth: 1, user: 'root' }, { signal });
  for (const { name } of found) if ((await addressOf(agent, name, signal)) === mac) return name;
  return null;
}

async function addressOf(agent: GuestAgent, name: string, signal: AbortSignal | undefined): Promise<string> {
  try {
    await using file = await agent.readFile(`/sys/class/net/${name}/address`, { user: 'root' }, { signal });
    let read = '';
    for await (const chunk of file.bytes) read += Buffer.from(chunk).toString('latin1');
    return read.trim();
  } catch (error) {
    // It may have gone meanwhile.
    if (isNovaError(error, 'file_not_found')) return '';
    throw error;
  }
}
