import { setTimeout as delay } from 'node:timers/promises';
import { isDiskFull } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { isSameProcess } from '../ports/process-identity.ts';
import type { SandboxRecord } from '../ports/store.ts';
import type { Machine } from '../ports/vmm-driver.ts';
import { boundLogs } from '../vmm/logs.ts';
import { isAlive, ownIdentity } from '../vmm/process-identity.ts';
import { attachMachine } from './attach-machine.ts';
import { deleteSandbox, endProcessesOf, releaseHost } from './delete.ts';
import { sharedWork } from './shared-work.ts';

/*
 * The end of a sandbox. A `stopping` sandbox has a maker: the process that stops it, or that has noticed that its VMM
 * ended. Only the maker cleans up after it, and all others wait. So a sandbox that is started again afterwards is not
 * cleaned up.
 */

export interface Stopping {
  readonly record: SandboxRecord;
  /** False where the sandbox was being stopped already, or has ended. */
  readonly begun: boolean;
}

/**
 * Records that this process stops a running or paused sandbox.
 *
 * @param change its reason, `goesWithMaker` where it is removed, and `sleep` where it is hibernated
 */
export function beginStopping(
  { store }: EngineContext,
  record: SandboxRecord,
  change: Pick<SandboxRecord, 'reason' | 'goesWithMaker'> & Partial<Pick<SandboxRecord, 'sleep' | 'bootedFrom'>>,
): Stopping {
  const stopping = { ...change, state: 'stopping', maker: ownIdentity() } as const;
  try {
    const begun = store.changeSandbox(record.id, ['running', 'paused'], stopping, { machine: record.machine });
    if (begun !== null) return { record: begun, begun: true };
    // The process that asks for a removal finishes it.
    const taken = change.goesWithMaker === true ? store.changeSandbox(record.id, ['stopping'], stopping) : null;
    return { record: taken ?? store.findSandbox(record.id) ?? record, begun: false };
  } catch (error) {
    // A full disk prevents the record, but not the work: stopping or removing a sandbox makes space. One that is to go
    // on later needs its record.
    if (!isDiskFull(error) || (change.sleep ?? null) !== null) throw error;
    return { record: { ...record, ...change }, begun: true };
  }
}

/**
 * Ends the machine of a sandbox that is stopping, with `end`, and cleans up after it. Returns the resulting record, or
 * null when the sandbox has gone. Where this fails, the next process that looks at the sandbox tries again.
 */
export async function endMachine(
  context: EngineContext,
  record: SandboxRecord,
  end: (machine: Machine) => Promise<void>,
): Promise<SandboxRecord | null> {
  try {
    const machine = await attachMachine(context, record);
    if (machine !== null) await end(machine);
  } catch (error) {
    giveUp(context, record.id);
    throw error;
  }
  return cleanUpAfterExit(context, record, record.reason);
}

/** Finishes the work of a process that has gone: ends the machine, and cleans up after it. */
export function finishStopping(context: EngineContext, record: SandboxRecord): Promise<SandboxRecord | null> {
  const { id, maker } = record;
  return alsoOnFullDisk(context, record, async () => {
    const ours = context.store.changeSandbox(id, ['stopping'], { maker: ownIdentity() }, { maker });
    if (ours === null) return whenEnded(context, id);
    notGivenUp.delete(id);
    return oncePerSandbox(context, id, async () => {
      await (await attachMachine(context, ours))?.stop();
      return cleanUp(context, ours);
    });
  });
}

/**
 * Cleans up after a VMM that has ended: its resources on the host are given back; the disk stays, unless the sandbox
 * goes with it. Several callers may notice one end (those that stop it, wait for it, or list sandboxes, in any
 * process): one of them cleans up, and all wait for it.
 *
 * @param reason for an end that nobody has asked for
 */
export function cleanUpAfterExit(
  context: EngineContext,
  record: SandboxRecord,
  reason: string | null,
): Promise<SandboxRecord | null> {
  return alsoOnFullDisk(context, { ...record, reason }, async () => {
    const ours = claimExit(context, record, reason);
    return ours === null
      ? whenEnded(context, record.id)
      : oncePerSandbox(context, record.id, () => cleanUp(context, ours));
  });
}

/**
 * Runs `work`, which brings a sandbox to its end. Where a full disk prevents the record, a removal is done all the
 * same.
 */
async function alsoOnFullDisk(
  context: EngineContext,
  record: SandboxRecord,
  work: () => Promise<SandboxRecord | null>,
): Promise<SandboxRecord | null> {
  try {
    return await work();
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    if (goesAway(record)) {
      await endProcessesOf(context, record.id);
      await deleteSandbox(context, record.id);
      return null;
    }
    // The next process that looks at it once there is space records the end.
    const ended = record.machine === null || !isAlive(record.machine);
    return ended ? { ...record, state: 'stopped', machine: null, maker: null } : record;
  }
}

/**
 * Waits while another process cleans up. Returns the record as it is when that takes too long; null when the sandbox
 * has gone.
 */
export async function whenEnded(context: EngineContext, id: string): Promise<SandboxRecord | null> {
  const end = performance.now() + cleanedUpWithinMs;
  for (;;) {
    const current = context.store.findSandbox(id);
    if (current?.state !== 'stopping') return current;
    if (isAbandoned(current)) return finishStopping(context, current);
    if (performance.now() > end) return current;
    await delay(lookEveryMs);
  }
}

/** Whether the process that was making, stopping or removing the sandbox has gone, or has given up. */
export const isAbandoned = ({ id, maker }: SandboxRecord): boolean =>
  maker === null || !isAlive(maker) || (notGivenUp.has(id) && isSameProcess(maker, ownIdentity()));

const lookEveryMs = 10;
/** Time limit for another process to clean up, ms. It takes moments, unless the process was frozen meanwhile. */
const cleanedUpWithinMs = 10_000;

/** The work that this process does at the end of sandboxes. */
const ending = sharedWork<SandboxRecord | null>();

const oncePerSandbox = (
  context: EngineContext,
  id: string,
  work: () => Promise<SandboxRecord | null>,
): Promise<SandboxRecord | null> =>
  ending(context, id, async () => {
    try {
      return await work();
    } catch (error) {
      giveUp(context, id);
      throw error;
    }
  });

/**
 * Claims the sandbox, so that this process cleans up after it; null where another process does, or nothing is left to
 * do.
 */
function claimExit({ store }: EngineContext, record: SandboxRecord, reason: string | null): SandboxRecord | null {
  const { id, machine } = record;
  const maker = ownIdentity();
  const change = { state: 'stopping', maker, reason } as const;
  const noticed =
    record.state === 'stopping' ? null : store.changeSandbox(id, ['running', 'paused'], change, { machine });
  if (noticed !== null) return noticed;
  const current = store.findSandbox(id);
  const isOurs =
    current?.state === 'stopping' && isSameProcess(current.maker, maker) && isSameProcess(current.machine, machine);
  return isOurs ? current : null;
}

async function cleanUp(context: EngineContext, record: SandboxRecord): Promise<SandboxRecord | null> {
  const { id, maker } = record;
  await context.links.drop(id);
  if (goesAway(record)) {
    await deleteSandbox(context, id);
    return null;
  }
  await releaseHost(context, id);
  // A failure to shorten the logs does not prevent recording the end.
  await boundLogs(context.layout.sandbox(id)).catch(() => undefined);
  const change = {
    state: record.sleep === null ? 'stopped' : 'hibernated',
    stoppedAtMs: Date.now(),
    machine: null,
    maker: null,
    holder: null,
    goesWithMaker: undefined,
    fullDisks: [],
  } as const;
  // Another process may have taken over, to remove it.
  return context.store.changeSandbox(id, ['stopping'], change, { maker }) ?? context.store.findSandbox(id);
}

/** Whether a sandbox is removed once its machine has ended. */
export const goesAway = ({ config, goesWithMaker, sleep }: SandboxRecord): boolean =>
  goesWithMaker ?? (config.ephemeral && sleep === null);

/**
 * Gives up the claim to a sandbox that this process could not bring to its end, so that the next process that looks at
 * it tries again.
 */
function giveUp({ store }: EngineContext, id: string): void {
  try {
    store.changeSandbox(id, ['stopping'], { maker: null }, { maker: ownIdentity() });
  } catch {
    // The caller gets the error that has led here, which matters more.
    notGivenUp.add(id);
  }
}

/** Sandboxes that this process has given up without being able to record it, because the host's disk was full. */
const notGivenUp = new Set<string>();
