import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { Egress } from '../ports/egress.ts';
import type { Governance, Network, NetworkProbe, NetworkSlot } from '../ports/network.ts';
import type { SlotRecord, SlotRegistry } from '../ports/slot-registry.ts';
import type { Launcher } from '../vmm/launcher.ts';
import { isAlive, ownIdentity } from '../vmm/process-identity.ts';
import { slotCount, slotOf } from './addressing.ts';
import type { SlotHost } from './commands.ts';
import { createGovernment } from './government.ts';
import { createTurns } from './in-turn.ts';
import { inhabitants, slotsOnHost } from './inhabitants.ts';
import { hubsOnHost, isolateHub, joinHubs, sweepHubs } from './hubs.ts';
import { setIntercepted, type Intercepted } from './interception.ts';
import { probeNetwork, whyNoSlots } from './probe.ts';
import { startRounds } from '../rounds.ts';
import { hostRulesAreThere, makeSlot, mendHostRules, openForwards, removeSlot, takeDown } from './slots.ts';

export interface NetworkOptions {
  /** The state folder, because sandboxes of other state folders may have the same ids. */
  readonly home: string;
  /** The registry of the whole host. */
  readonly registryFile: string;
  readonly probeDirectory: string;
  readonly launcher: Launcher;
  /** The process that decides for the guests of slots with a policy. */
  readonly egress: Egress;
  /**
   * Set for the one process that looks after a state folder: it reclaims and mends periodically, and keeps this many
   * slots ready. Other processes keep one ready once they have taken two.
   */
  readonly keep: { readonly slots: number } | null;
  readonly openRegistry: (file: string, count: number) => SlotRegistry;
}

/** How long to wait for another process to remove a slot, ms. */
const removalMs = 30_000;
const lookEveryMs = 10;
const lookAfterMs = 10_000;

const interceptedOf = ({ policy }: Governance): Intercepted => (policy === null ? 'names' : 'all');

export function createNetwork(options: NetworkOptions): Network {
  const { home, registryFile, probeDirectory, egress } = options;
  let taken = 0;
  /** The number of ready slots to keep. A process that has made a second sandbox is likely to make a third. */
  const wanted = (): number => options.keep?.slots ?? (taken > 1 ? 1 : 0);
  let opened: SlotRegistry | undefined;
  const registry = (): SlotRegistry => (opened ??= options.openRegistry(registryFile, slotCount));
  const hubLocks = join(dirname(registryFile), 'networks');
  const host = (): SlotHost => ({ registry: registry(), launcher: options.launcher, hubLocks });
  let probed: Promise<NetworkProbe> | undefined;
  const turns = createTurns();

  let closed = false;
  let filling: Promise<void> | undefined;
  /** Makes the missing ready slots in the background. If one fails, it is tried again after the next is taken. */
  const fill = (): void => {
    if (closed || wanted() === 0) return;
    filling ??= makeReady()
      .catch(() => undefined)
      .finally(() => (filling = undefined));
  };
  const own = ({ owner, holder }: SlotRecord): boolean =>
    owner === null && holder.pid === ownIdentity().pid && holder.startTime === ownIdentity().startTime;
  const makeReady = async (): Promise<void> => {
    if (!(await probe()).slots) return;
    while (!closed && registry().list().filter(own).length < wanted()) {
      const slot = registry().reserve(null, []);
      if (slot === null) return;
      await make(slot);
    }
  };
  const make = async (slot: SlotRecord, how: Parameters<typeof makeSlot>[2] = {}): Promise<void> => {
    try {
      await makeSlot(host(), slot, how);
    } catch (error) {
      await takeDown(host(), slot);
      throw error;
    }
  };

  const probe = (asked: Parameters<Network['probe']>[0] = {}): Promise<NetworkProbe> => {
    if (asked.fresh === true) probed = undefined;
    probed ??= probeNetwork({ probeDirectory, host, fresh: asked.fresh === true });
    probed.catch(() => (probed = undefined));
    return probed;
  };

  const claim = async (
    sandbox: string,
    { forwards, within, governance, signal }: Parameters<Network['take']>[1],
  ): Promise<SlotRecord> => {
    throwIfAborted(signal, 'before its network was made');
    const owner = { home, sandbox };
    // It may be left from an earlier start that was killed.
    await release(sandbox);
    const ready = within === undefined ? registry().takeReady(owner, forwards) : null;
    if (ready !== null) {
      try {
        await openForwards(host(), ready.number, forwards, signal);
        if (governance !== undefined)
          await setIntercepted(host(), ready.number, interceptedOf(governance), { fresh: true, signal });
      } catch (error) {
        await takeDown(host(), ready);
        throw error;
      }
      return ready;
    }
    const slot = registry().reserve(owner, forwards);
    if (slot === null)
      throw new NovaError('host_resource_exhausted', `All ${slotCount} network slots of this host are in use.`);
    const intercepted = governance === undefined ? undefined : interceptedOf(governance);
    await make(slot, { within, intercepted, signal });
    return slot;
  };

  /** The egress process lets go of a slot before it is taken down, because its sockets keep the namespace. */
  const release = async (sandbox: string): Promise<void> => {
    try {
      await egress.forget(sandbox);
    } finally {
      await remove(sandbox);
    }
  };

  const remove = async (sandbox: string): Promise<void> => {
    if (opened === undefined && !existsSync(registryFile)) return;
    const end = performance.now() + removalMs;
    for (;;) {
      const slot = registry().find({ home, sandbox });
      if (slot === null || (await takeDown(host(), slot))) return;
      if (performance.now() > end)
        throw new NovaError(
          'network_failed',
          `Another process has been taking down the network of ${sandbox} for too long.`,
        );
      await delay(lookEveryMs);
    }
  };

  const held = (sandbox: string): NetworkSlot | null => {
    const slot = opened === undefined && !existsSync(registryFile) ? null : registry().find({ home, sandbox });
    return slot?.state === 'held' ? slotOf(slot.number) : null;
  };

  const govern = async (sandbox: string, governance: Governance | null, signal?: AbortSignal): Promise<void> => {
    const slot = held(sandbox);
    if (slot === null) return;
    const { launcher } = options;
    const { number } = slot;
    // The guest is let out last, so that one that is served is always intercepted.
    if (governance === null) {
      await egress.forget(sandbox);
      await setIntercepted({ launcher }, number, null, { signal });
      return;
    }
    const { policy, memberships } = governance;
    // One that is served may have had another policy, or, in a private network, none.
    const isIntercepted = memberships.length === 0 && (await egress.served()).includes(sandbox);
    if (policy !== null && !isIntercepted) await setIntercepted({ launcher }, number, 'all', { signal });
    await joinHubs({ launcher, hubLocks }, home, number, memberships, signal);
    await egress.serve(sandbox, { slot: number, ...governance, signal });
    if (policy === null) await setIntercepted({ launcher }, number, 'names', { signal });
  };

  const reclaim = async (): Promise<void> => {
    if (whyNoSlots() !== null) return;
    // Records are made before what they describe, so a slot without a record by now has been forgotten.
    const found = slotsOnHost();
    if (existsSync(registryFile) || found.length > 0) {
      const records = registry().list();
      const known = new Set(records.map(({ number }) => number));
      const forgotten = found.filter((number) => !known.has(number));
      const abandoned = records.filter(({ holder }) => !isAlive(holder));
      const inhabited = inhabitants([...forgotten, ...abandoned.map(({ number }) => number)]);
      for (const slot of abandoned) {
        // A slot that was being made contains at most a program of its maker, which is about to end with it, or a VMM
        // that does not depend on the slot.
        if (slot.state === 'making' || !inhabited.has(slot.number)) await takeDown(host(), slot);
      }
      for (const number of forgotten) {
        const inhabitant = inhabited.get(number);
        if (inhabitant === undefined) await removeSlot(host(), number);
        else registry().adopt(number, inhabitant);
      }
    }
    if (hubsOnHost().length > 0) await sweepHubs(host());
    fill();
  };

  const mend = async (): Promise<void> => {
    if (whyNoSlots() !== null || !existsSync(registryFile)) return;
    // The rules must exist exactly when there are slots.
    if ((await hostRulesAreThere(host())) !== registry().list().length > 0) mendHostRules(registry());
  };

  const rounds = options.keep === null ? null : startRounds(lookAfterMs, () => reclaim().then(mend));

  return {
    probe,
    take: (sandbox, how) =>
      turns.run(sandbox, async () => {
        taken += 1;
        const { number } = await claim(sandbox, how);
        const { governance, signal } = how;
        try {
          if (governance !== undefined) {
            await joinHubs(host(), home, number, governance.memberships, signal);
            await egress.serve(sandbox, { slot: number, ...governance, signal });
          }
        } catch (error) {
          await release(sandbox);
          throw error;
        }
        return slotOf(number);
      }),
    ...createGovernment({ egress, turns, govern, served: (_sandbox, governance) => governance }),
    isolate: (network, isolation, signal) =>
      isolateHub({ launcher: options.launcher, hubLocks }, home, network, isolation, signal),
    held,
    handTo(sandbox, process) {
      registry().handTo({ home, sandbox }, process);
      // It is not called earlier, because it would have taken time from the sandbox being made.
      fill();
    },
    giveBack: (sandbox) => turns.run(sandbox, () => release(sandbox)),
    reclaim,
    mend,
    async [Symbol.asyncDispose]() {
      closed = true;
      await rounds?.[Symbol.asyncDispose]();
      await filling;
      await turns.ended();
      for (const slot of opened?.list().filter(own) ?? []) await takeDown(host(), slot);
      opened?.[Symbol.dispose]();
    },
  };
}
