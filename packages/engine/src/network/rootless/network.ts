import { existsSync } from 'node:fs';
import { networkPolicySchema, NovaError } from '@novasandbox/protocol';
import type { Egress, SlotPlace } from '../../ports/egress.ts';
import type { Governance, Network, NetworkProbe, NetworkSlot } from '../../ports/network.ts';
import type { SlotRecord, SlotRegistry } from '../../ports/slot-registry.ts';
import { isAlive, ownIdentity } from '../../vmm/process-identity.ts';
import { slotCount, slotOf } from '../addressing.ts';
import { createGovernment } from '../government.ts';
import { createTurns } from '../in-turn.ts';
import { startKeeper, type Keeper } from './keeper.ts';
import { probeRootless } from './probe.ts';

export interface RootlessNetworkOptions {
  /** The state folder, because sandboxes of other state folders may have the same ids. */
  readonly home: string;
  /** The registry of this user's slots: which process is in which. */
  readonly registryFile: string;
  readonly probeDirectory: string;
  readonly egress: Egress;
  readonly openRegistry: (file: string, count: number) => SlotRegistry;
}

/** In force where a sandbox in a slot has no policy: the egress process is its only way out. */
const everything: Governance = {
  policy: networkPolicySchema.parse({ otherwise: 'allow' }),
  names: [],
  answers: [],
  memberships: [],
  hostnames: [],
};

/**
 * Slots of a user who is not root. Each is a user namespace with a network namespace that has no link to the host, so a
 * guest reaches what the egress process connects for it, and nothing else. The namespaces live as long as a process in
 * them: the keeper (keeper.ts), and then the VMM.
 */
export function createRootlessNetwork(options: RootlessNetworkOptions): Network {
  const { home, registryFile, probeDirectory, egress } = options;
  let opened: SlotRegistry | undefined;
  const registry = (): SlotRegistry => (opened ??= options.openRegistry(registryFile, slotCount));
  const isThere = (): boolean => opened !== undefined || existsSync(registryFile);
  const find = (sandbox: string): SlotRecord | null => (isThere() ? registry().find({ home, sandbox }) : null);
  const turns = createTurns();
  /** The keepers of slots that no VMM is in yet. */
  const keepers = new Map<string, Keeper>();
  let probed: Promise<NetworkProbe> | undefined;

  const forgetSlot = (slot: SlotRecord): void => {
    if (registry().startRemoval(slot)) registry().remove(slot.number, () => undefined);
  };
  const endKeeper = async (sandbox: string): Promise<void> => {
    const keeper = keepers.get(sandbox);
    keepers.delete(sandbox);
    await keeper?.end();
  };
  /** The egress process lets go of a slot first, because its sockets keep the namespace. */
  const release = async (sandbox: string): Promise<void> => {
    try {
      await egress.forget(sandbox);
    } finally {
      await endKeeper(sandbox);
      const slot = find(sandbox);
      if (slot !== null) forgetSlot(slot);
    }
  };
  /** A process in the slot that a sandbox holds; null when it holds none. */
  const inhabitantOf = ({ state, holder }: SlotRecord, sandbox: string): number | null => {
    const keeper = keepers.get(sandbox);
    if (keeper !== undefined) return keeper.pid;
    return state === 'held' && holder.pid !== ownIdentity().pid && isAlive(holder) ? holder.pid : null;
  };
  const placeOf = (sandbox: string): Exclude<SlotPlace, number> | null => {
    const slot = find(sandbox);
    const process = slot === null ? null : inhabitantOf(slot, sandbox);
    return slot === null || process === null ? null : { process, forwards: slot.forwards };
  };
  const held = (sandbox: string): NetworkSlot | null => {
    const slot = find(sandbox);
    const keeper = slot === null ? null : inhabitantOf(slot, sandbox);
    return slot === null || keeper === null ? null : slotAt(slot.number, keeper);
  };
  const govern = async (sandbox: string, governance: Governance | null, signal?: AbortSignal): Promise<void> => {
    const slot = placeOf(sandbox);
    if (slot !== null) await egress.serve(sandbox, { slot, ...(governance ?? everything), signal });
  };

  return {
    probe({ fresh = false } = {}) {
      if (fresh) probed = undefined;
      probed ??= probeRootless({ probeDirectory, fresh });
      probed.catch(() => (probed = undefined));
      return probed;
    },
    take: (sandbox, { forwards, within, governance, signal }) =>
      turns.run(sandbox, async () => {
        if (within !== undefined)
          throw new NovaError('network_failed', 'Without root a running VMM cannot be given a network slot.');
        // It may be left from an earlier start that was killed.
        await release(sandbox);
        const slot = registry().reserve({ home, sandbox }, forwards);
        if (slot === null)
          throw new NovaError('host_resource_exhausted', `All ${slotCount} network slots of this user are in use.`);
        try {
          const keeper = await startKeeper(signal);
          keepers.set(sandbox, keeper);
          registry().made(slot.number);
          await govern(sandbox, governance ?? null, signal);
          return slotAt(slot.number, keeper.pid);
        } catch (error) {
          await release(sandbox);
          throw error;
        }
      }),
    ...createGovernment({
      ...{ egress, turns, govern },
      served: (sandbox, governance) => governance ?? (placeOf(sandbox) === null ? null : everything),
    }),
    // No sandbox in such a slot is a member of a private network.
    isolate: () => Promise.resolve(),
    held,
    handTo(sandbox, process) {
      registry().handTo({ home, sandbox }, process);
      const keeper = keepers.get(sandbox);
      keepers.delete(sandbox);
      // The VMM is in its namespaces.
      keeper?.end().catch(() => undefined);
    },
    giveBack: (sandbox) => turns.run(sandbox, () => release(sandbox)),
    reclaim() {
      if (isThere()) for (const slot of registry().list()) if (!isAlive(slot.holder)) forgetSlot(slot);
      return Promise.resolve();
    },
    // Nobody else can change the rules in the slots.
    mend: () => Promise.resolve(),
    async [Symbol.asyncDispose]() {
      await turns.ended();
      for (const sandbox of keepers.keys()) await release(sandbox);
      opened?.[Symbol.dispose]();
    },
  };
}

function slotAt(number: number, keeper: number): NetworkSlot {
  const slot = slotOf(number);
  return { ...slot, machine: { ...slot.machine, keeper } };
}
