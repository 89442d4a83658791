import { setTimeout as delay } from 'node:timers/promises';
import type { EngineContext } from '../context.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { removeCgroup } from '../vmm/cgroup.ts';
import { processesNaming } from '../vmm/find-processes.ts';
import { boundLogs } from '../vmm/logs.ts';
import { isAlive, ownIdentity } from '../vmm/process-identity.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { terminate } from '../vmm/terminate.ts';
import { isDiskFull, type SandboxState } from '@novasandbox/protocol';

/**
 * Brings a record in line with the host: a sandbox whose VMM has ended is stopped, one whose maker was killed is debris. Returns the record as it
 * is then, or null when it has gone. One look at /proc when all is as recorded.
 */
export async function settle(context: EngineContext, record: SandboxRecord): Promise<SandboxRecord | null> {
  if (record.goesWithMaker === true && record.maker !== null && !isAlive(record.maker)) {
    await context.links.drop(record.id);
    await endProcessesOf(context, record.id);
    await deleteSandbox(context, record.id);
    return null;
  }
  switch (record.state) {
    case 'creating':
      if (isBeingTidied(record)) return whenTidied(context, record.id);
      return record.maker !== null && isAlive(record.maker) ? record : clearDebris(context, record);
    case 'running':
    case 'paused':
      if (record.machine !== null && isAlive(record.machine)) return record;
      return ended(context, record, reasonOf(record));
    case 'stopped':
    case 'failed':
      return record;
  }
}

/** Ends that this process is tidying up after, by sandbox. */
const tidying = new WeakMap<EngineContext, Map<string, Promise<SandboxRecord | null>>>();

/**
 * The VMM has ended: what it held on the host goes, the disk stays unless the sandbox was to go with it. Several may notice the same end (who
 * stopped it, who waits for it, who lists; in any process): one tidies up, all wait for it, so that a start that follows is not tidied away.
 */
export function ended(
  context: EngineContext,
  record: SandboxRecord,
  reason: string | null,
): Promise<SandboxRecord | null> {
  const running = tidying.get(context) ?? new Map<string, Promise<SandboxRecord | null>>();
  tidying.set(context, running);
  const tidied = running.get(record.id) ?? tidyUp(context, record, reason).finally(() => running.delete(record.id));
  running.set(record.id, tidied);
  return tidied;
}

async function tidyUp(
  context: EngineContext,
  record: SandboxRecord,
  reason: string | null,
): Promise<SandboxRecord | null> {
  const { store } = context;
  // While it has a maker and a machine that has ended, nobody starts it.
  const claim = { state: 'creating', maker: ownIdentity() } as const;
  let claimed: SandboxRecord | null;
  try {
    claimed = store.changeSandbox(record.id, ['running', 'paused'], claim, record.machine);
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    if (record.config.ephemeral || record.goesWithMaker === true) {
      await deleteSandbox(context, record.id);
      return null;
    }
    // It is told as it is. Who looks when there is space notes it; who removes it makes space.
    return { ...record, state: 'stopped', machine: null, reason };
  }
  if (claimed === null) return whenTidied(context, record.id);
  await context.links.drop(record.id);
  if (record.config.ephemeral || record.goesWithMaker === true) {
    await deleteSandbox(context, record.id);
    return null;
  }
  await releaseHost(context, record.id);
  // A log that stays as it is keeps nobody from noting the end.
  await boundLogs(context.layout.sandbox(record.id)).catch(() => undefined);
  const change = { state: 'stopped', stoppedAtMs: Date.now(), machine: null, maker: null, reason } as const;
  return store.changeSandbox(record.id, ['creating'], change);
}

const lookEveryMs = 10;

/** Tidying up takes moments; a process that was stopped in the midst of it is not waited for longer, ms. */
const tidiedWithinMs = 10_000;

/** Waits while another process tidies up; the record as it is when that takes too long. */
async function whenTidied(context: EngineContext, id: string): Promise<SandboxRecord | null> {
  const end = performance.now() + tidiedWithinMs;
  for (;;) {
    const current = context.store.findSandbox(id);
    if (current === null) return null;
    if (!isBeingTidied(current)) return settle(context, current);
    if (performance.now() > end) return current;
    await delay(lookEveryMs);
  }
}

function isBeingTidied(record: SandboxRecord): boolean {
  return record.state === 'creating' && record.machine !== null && record.maker !== null && isAlive(record.maker);
}

/**
 * Removes what is left of sandboxes whose makers were killed. Looks only at those that are being made, unless others are named too, and at each for itself: what cannot be
 * removed now is in nobody else's way, and is tried again by the next.
 */
export async function sweep(context: EngineContext, states: readonly SandboxState[] = ['creating']): Promise<void> {
  const debris = context.store.listSandboxes(states).filter((record) => !isBeingTidied(record));
  await Promise.allSettled(debris.map((record) => settle(context, record)));
}

/** Ends the VMM of a sandbox whose record does not say which process that is. */
export async function endProcessesOf({ layout }: Pick<EngineContext, 'layout'>, id: string): Promise<void> {
  for (const orphan of processesNaming(layout.sockets(id))) await terminate(orphan, 0);
}

/** Needs no write before it has made space. */
export async function deleteSandbox(context: EngineContext, id: string): Promise<void> {
  await releaseHost(context, id);
  await removeFolder(context.layout.sandbox(id));
  context.store.removeSandbox(id);
}

async function clearDebris(context: EngineContext, record: SandboxRecord): Promise<SandboxRecord | null> {
  await endProcessesOf(context, record.id);
  // A sandbox that was being started again or tidied up after has a disk to keep; one that was being made has nothing.
  if (record.startedAtMs !== null && !record.config.ephemeral) {
    await releaseHost(context, record.id);
    return context.store.changeSandbox(record.id, ['creating'], {
      state: 'stopped',
      maker: null,
      machine: null,
      reason: 'its start was interrupted',
    });
  }
  await deleteSandbox(context, record.id);
  return null;
}

async function releaseHost(context: EngineContext, id: string): Promise<void> {
  await removeCgroup(id);
  await removeFolder(context.layout.sockets(id));
  await context.network.giveBack(id);
}

export const expiredReason = 'its time to live ended';

function reasonOf(record: SandboxRecord): string {
  // The guest's timer and ours may differ by a moment.
  const toleranceMs = 3000;
  const expired = record.expiresAtMs !== null && Date.now() >= record.expiresAtMs - toleranceMs;
  return expired ? expiredReason : 'the guest powered off or its VMM ended';
}
