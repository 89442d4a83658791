import { accessSync, constants, existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { Network, NetworkProbe } from '../ports/network.ts';
import type { SlotRecord, SlotRegistry } from '../ports/slot-registry.ts';
import type { Launcher } from '../vmm/launcher.ts';
import { isAlive, ownIdentity } from '../vmm/process-identity.ts';
import { slotCount, slotOf } from './addressing.ts';
import { inhabitants, slotsOnHost } from './inhabitants.ts';
import { probeNetwork, whyNoSlots } from './probe.ts';
import { startRounds } from '../rounds.ts';
import {
  hostRulesAreThere,
  makeSlot,
  mendHostRules,
  openForwards,
  removeSlot,
  takeDown,
  type SlotHost,
} from './slots.ts';

export interface NetworkOptions {
  /** The state folder: sandboxes of others may have the same ids. */
  readonly home: string;
  /** Of the whole host. */
  readonly registryFile: string;
  readonly probeDirectory: string;
  readonly launcher: Launcher;
  /**
   * Set for the one process that looks after a state folder: it reclaims and mends by the clock, and keeps as many slots ready for whoever comes. Others keep
   * one for themselves once they have taken two.
   */
  readonly keep: { readonly slots: number } | null;
  readonly openRegistry: (file: string, count: number) => SlotRegistry;
}

/** How long the removal of a slot by another process may take before it is given up waiting for. */
const removalMs = 30_000;
const lookEveryMs = 10;
const lookAfterMs = 10_000;

/** It is root's, as slots are: for other users of the host there is none. */
function registryIsThere(file: string): boolean {
  if (!existsSync(file)) return false;
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

export function createNetwork(options: NetworkOptions): Network {
  const { home, registryFile, probeDirectory } = options;
  let taken = 0;
  /** Ready ones to have. Whoever has made a second sandbox makes a third. */
  const wanted = (): number => options.keep?.slots ?? (taken > 1 ? 1 : 0);
  let opened: SlotRegistry | undefined;
  const registry = (): SlotRegistry => (opened ??= options.openRegistry(registryFile, slotCount));
  const host = (): SlotHost => ({ registry: registry(), launcher: options.launcher });
  let probed: Promise<NetworkProbe> | undefined;
  /** What is done about a sandbox's slot, one after the other. */
  const underWay = new Map<string, Promise<unknown>>();
  const inTurn = <T>(sandbox: string, work: () => Promise<T>): Promise<T> => {
    const before = underWay.get(sandbox) ?? Promise.resolve();
    const running = before.then(work, work);
    const settled = running.then(
      () => undefined,
      () => undefined,
    );
    underWay.set(sandbox, settled);
    const forget = (): void => {
      if (underWay.get(sandbox) === settled) underWay.delete(sandbox);
    };
    settled.then(forget, forget);
    return running;
  };

  let closed = false;
  let filling: Promise<void> | undefined;
  /** Makes what is missing of the ready ones, in the background; one that fails is tried again after the next is taken. */
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
    { forwards, within, signal }: Parameters<Network['take']>[1],
  ): Promise<void> => {
    throwIfAborted(signal, 'before its network was made');
    const owner = { home, sandbox };
    // Of an earlier start that was killed.
    await remove(sandbox);
    const ready = within === undefined ? registry().takeReady(owner, forwards) : null;
    if (ready !== null) {
      try {
        await openForwards(host(), ready.number, forwards, signal);
      } catch (error) {
        await takeDown(host(), ready);
        throw error;
      }
      return;
    }
    const slot = registry().reserve(owner, forwards);
    if (slot === null)
      throw new NovaError('host_resource_exhausted', `All ${slotCount} network slots of this host are in use.`);
    await make(slot, { within, signal });
  };

  const remove = async (sandbox: string): Promise<void> => {
    if (opened === undefined && !registryIsThere(registryFile)) return;
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

  const reclaim = async (): Promise<void> => {
    if (whyNoSlots() !== null) return;
    // Records come before what they are about: what has none by now has been forgotten.
    const found = slotsOnHost();
    if (existsSync(registryFile) || found.length > 0) {
      const records = registry().list();
      const known = new Set(records.map(({ number }) => number));
      const forgotten = found.filter((number) => !known.has(number));
      const abandoned = records.filter(({ holder }) => !isAlive(holder));
      const inhabited = inhabitants([...forgotten, ...abandoned.map(({ number }) => number)]);
      for (const slot of abandoned) {
        // Where one was being made there is at most a program of its maker's that is about to end with it, or a VMM that does without.
        if (slot.state === 'making' || !inhabited.has(slot.number)) await takeDown(host(), slot);
      }
      for (const number of forgotten) {
        const inhabitant = inhabited.get(number);
        if (inhabitant === undefined) await removeSlot(host(), number);
        else registry().adopt(number, inhabitant);
      }
    }
    fill();
  };

  const mend = async (): Promise<void> => {
    if (whyNoSlots() !== null || !existsSync(registryFile)) return;
    // There exactly when there are slots.
    if ((await hostRulesAreThere(host())) !== registry().list().length > 0) mendHostRules(registry());
  };

  const rounds = options.keep === null ? null : startRounds(lookAfterMs, () => reclaim().then(mend));

  return {
    probe,
    take: (sandbox, how) =>
      inTurn(sandbox, async () => {
        taken += 1;
        await claim(sandbox, how);
        const slot = registry().find({ home, sandbox });
        if (slot === null) throw new NovaError('internal', `The network slot of ${sandbox} has gone.`);
        return slotOf(slot.number);
      }),
    held(sandbox) {
      const slot = opened === undefined && !registryIsThere(registryFile) ? null : registry().find({ home, sandbox });
      return slot?.state === 'held' ? slotOf(slot.number) : null;
    },
    handTo(sandbox, process) {
      registry().handTo({ home, sandbox }, process);
      // Not before: it would have taken time from the sandbox in the making.
      fill();
    },
    giveBack: (sandbox) => inTurn(sandbox, () => remove(sandbox)),
    reclaim,
    mend,
    async [Symbol.asyncDispose]() {
      closed = true;
      await rounds?.[Symbol.asyncDispose]();
      await filling;
      await Promise.all(underWay.values());
      for (const slot of opened?.list().filter(own) ?? []) await takeDown(host(), slot);
      opened?.[Symbol.dispose]();
    },
  };
}
