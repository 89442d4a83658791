import { hasMachine, isDiskFull, NovaError, type SandboxInfo } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { SandboxRecord } from '../ports/store.ts';
import type { Machine } from '../ports/vmm-driver.ts';
import { ownIdentity } from '../vmm/process-identity.ts';
import { signalProcess, waitForEnd } from '../vmm/terminate.ts';
import { requireDriver } from './attach-machine.ts';
import { deleteSandbox, endProcessesOf } from './delete.ts';
import { beginStopping, endMachine, type Stopping } from './end.ts';
import { findSandbox } from './find.ts';
import { forgetMemory } from './kept-memory.ts';
import { toInfo } from './info.ts';

const defaultGraceMs = 5000;
/** Time that the guest needs to sync, unmount and power off, beyond the grace that it gives its processes, ms. */
const powerOffMs = 3000;

export async function stopSandbox(
  context: EngineContext,
  ref: string,
  how: { readonly force?: boolean; readonly graceMs?: number } = {},
): Promise<SandboxInfo> {
  const { force = false, graceMs = defaultGraceMs } = how;
  const found = await findSandbox(context, ref);
  refuseUnfinished(found);
  if (found.state === 'hibernated') {
    const stopped = await forgetMemory(context, found.id);
    // Another has woken or stopped it meanwhile.
    return stopped === null ? stopSandbox(context, found.id, how) : toInfo(stopped);
  }
  if (!hasMachine(found.state)) return toInfo(found);
  // Nothing is changed where this engine cannot end the machine.
  requireDriver(context, found.hypervisor);
  const stopping = beginStopping(context, found, { reason: null });
  const { record } = stopping;
  const grace = force ? graceWithForce(context, found) : graceMs;
  const stopped =
    grace === null
      ? await endMachine(context, record, (machine) => machine.stop())
      : await endPolitely(context, found, stopping, grace);
  return toInfo(stopped ?? { ...record, state: 'stopped', stoppedAtMs: Date.now(), machine: null });
}

/** Has the guest end its processes, write its disks and power off, and ends its machine. */
export function endPolitely(
  context: EngineContext,
  found: SandboxRecord,
  { record, begun }: Stopping,
  graceMs = defaultGraceMs,
): Promise<SandboxRecord | null> {
  return endMachine(context, record, async (machine) => {
    // A guest that is powering off already is not asked again: the call would get lost, and the guest would be cut off.
    if (!begun || (await askGuest(context, found, machine, graceMs)))
      await waitForEnd(machine.record, graceMs + powerOffMs);
    await machine.stop();
  });
}

/**
 * The grace of a guest that is stopped with force: null, so that it is not asked. What it has written to a volume has
 * to outlive it, so a guest that writes to one ends its processes at once and writes out its disks.
 */
function graceWithForce({ store }: EngineContext, { id, state }: SandboxRecord): 0 | null {
  return state === 'running' && store.volumesOf(id).some(({ readOnly }) => !readOnly) ? 0 : null;
}

/** Asks the guest to end its processes, write its disks and power off. Returns false when it does not accept. */
async function askGuest(
  context: EngineContext,
  record: SandboxRecord,
  machine: Machine,
  graceMs: number,
): Promise<boolean> {
  try {
    if (record.state === 'paused') await machine.resume?.({});
    const { agent } = await context.links.get(record);
    await agent.shutdown(graceMs, { timeoutMs: 5000 });
    return true;
  } catch {
    return false;
  }
}

/** Deletes a sandbox with all it has. */
export async function removeSandbox(
  context: EngineContext,
  ref: string,
  { force = false }: { readonly force?: boolean } = {},
): Promise<void> {
  const record = await findSandbox(context, ref);
  refuseUnfinished(record);
  if (hasMachine(record.state)) {
    if (!force) {
      throw new NovaError('invalid_state', `The sandbox ${record.name ?? record.id} is ${record.state}.`, {
        hint: `${record.state === 'stopping' ? 'Wait until it has stopped' : 'Stop it first'}, or remove it with force.`,
      });
    }
    requireDriver(context, record.hypervisor);
    const going = beginStopping(context, record, { reason: null, goesWithMaker: true });
    const ended = await endMachine(context, going.record, async (machine) => {
      const grace = graceWithForce(context, record);
      if (grace !== null && (await askGuest(context, record, machine, grace)))
        await waitForEnd(machine.record, grace + powerOffMs);
      await machine.stop();
    });
    if (ended === null) return;
  } else {
    recordRemoval(context, record);
  }
  await context.links.drop(record.id);
  // The record of a failed sandbox does not say which processes run.
  if (record.state === 'failed') await endProcessesOf(context, record.id);
  await deleteSandbox(context, record.id);
}

/**
 * Ends the machine of a running sandbox, and leaves the rest of its removal to the next process that opens the engine,
 * once this one has ended.
 */
export async function abandonSandbox(context: EngineContext, ref: string): Promise<void> {
  const found = await findSandbox(context, ref);
  refuseUnfinished(found);
  const { record } = beginStopping(context, found, { reason: null, goesWithMaker: true });
  if (record.machine !== null) signalProcess(record.machine, 'SIGKILL');
}

function refuseUnfinished({ id, state }: SandboxRecord): void {
  if (state === 'creating') throw new NovaError('invalid_state', `The sandbox ${id} is still being made.`);
}

/** Records the removal. From here on it is finished, by another process if this one is killed. */
function recordRemoval({ store }: EngineContext, { id, state }: SandboxRecord): void {
  try {
    store.changeSandbox(id, [state], { maker: ownIdentity(), goesWithMaker: true });
  } catch (error) {
    // A full disk prevents the record, but not the work: removing a sandbox makes space.
    if (!isDiskFull(error)) throw error;
  }
}
