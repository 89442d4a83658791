import type { SandboxState } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { isAlive } from '../vmm/process-identity.ts';
import { attachMachine } from './attach-machine.ts';
import { deleteSandbox, endProcessesOf, releaseHost } from './delete.ts';
import { cleanUpAfterExit, finishStopping, goesAway, isAbandoned, whenEnded } from './end.ts';
import { forgetDiskBefore, putDiskBack } from './disk-before.ts';
import { removeKeptMemory } from './kept-memory.ts';
import { turnIfFree } from './turn.ts';

/**
 * Brings a record in line with the host: a sandbox whose VMM has ended becomes stopped, and the work of a process that
 * has gone is finished or undone. Returns the resulting record, or null when the sandbox has gone. Where the record is
 * right already, this takes one look at /proc.
 */
export async function settle(context: EngineContext, record: SandboxRecord): Promise<SandboxRecord | null> {
  if (record.goesWithMaker === true && isAbandoned(record)) {
    await context.links.drop(record.id);
    await endProcessesOf(context, record.id);
    await deleteSandbox(context, record.id);
    return null;
  }
  switch (record.state) {
    case 'creating':
      return isAbandoned(record) ? undoStart(context, record) : record;
    case 'running':
    case 'paused':
      if (hasEnded(record)) return cleanUpAfterExit(context, record, reasonOf(record));
      return record.holder !== null && !isAlive(record.holder) ? letGoOn(context, record) : record;
    case 'stopping':
      if (isAbandoned(record)) return finishStopping(context, record);
      return hasEnded(record) ? whenEnded(context, record.id) : record;
    case 'hibernated':
    case 'stopped':
    case 'failed':
      return record;
  }
}

/**
 * Lets a guest go on that a process has stopped for a moment and then not lived to resume. The memory that the process
 * has kept of it, and what it had before it was woken or taken back, is of no use.
 */
async function letGoOn(context: EngineContext, record: SandboxRecord): Promise<SandboxRecord | null> {
  const { id, machine } = record;
  await using turn = turnIfFree(context, id);
  const current = context.store.findSandbox(id);
  // Another does it, or has done it.
  if (turn === null || current === null || current.holder === null || isAlive(current.holder)) return current;
  if (current.state === 'running') await (await attachMachine(context, current))?.resume?.({});
  await removeKeptMemory(context, id);
  await forgetDiskBefore(context, id);
  return (
    context.store.changeSandbox(id, ['running', 'paused'], { holder: null }, { machine }) ??
    context.store.findSandbox(id)
  );
}

const hasEnded = ({ machine }: SandboxRecord): boolean => machine === null || !isAlive(machine);

/** States in which a process that is killed leaves work behind. */
const unfinished: readonly SandboxState[] = ['creating', 'stopping'];

/**
 * Settles the sandboxes in these states whose makers have gone. Each is settled separately: a sandbox that cannot be
 * settled now does not hinder the others, and the next call tries it again.
 */
export async function sweep(context: EngineContext, states: readonly SandboxState[] = unfinished): Promise<void> {
  const left = context.store
    .listSandboxes(states)
    .filter((record) => (unfinished.includes(record.state) || record.goesWithMaker === true) && isAbandoned(record));
  await Promise.allSettled(left.map((record) => settle(context, record)));
}

/**
 * Undoes a start that was interrupted. A sandbox that was started again has a disk to keep, and one that was being
 * woken its memory too; one that was being made has nothing.
 */
async function undoStart(context: EngineContext, record: SandboxRecord): Promise<SandboxRecord | null> {
  await endProcessesOf(context, record.id);
  if (record.startedAtMs === null || goesAway(record)) {
    await deleteSandbox(context, record.id);
    return null;
  }
  await releaseHost(context, record.id);
  await putDiskBack(context, record.id);
  const isAsleep = record.sleep !== null;
  const change = {
    state: isAsleep ? 'hibernated' : 'stopped',
    goesWithMaker: undefined,
    maker: null,
    machine: null,
    reason: isAsleep ? null : 'its start was interrupted',
  } as const;
  return context.store.changeSandbox(record.id, ['creating'], change);
}

export const expiredReason = 'its time to live ended';

function reasonOf(record: SandboxRecord): string {
  // The guest's timer and ours may differ by a moment.
  const toleranceMs = 3000;
  const expired = record.expiresAtMs !== null && Date.now() >= record.expiresAtMs - toleranceMs;
  return expired ? expiredReason : 'the guest powered off or its VMM ended';
}
