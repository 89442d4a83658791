import { isDiskFull, NovaError, type SandboxInfo } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { SandboxRecord } from '../ports/store.ts';
import type { Machine } from '../ports/vmm-driver.ts';
import { waitForEnd } from '../vmm/terminate.ts';
import { attachMachine, found } from './find.ts';
import { toInfo } from './info.ts';
import { deleteSandbox, ended, endProcessesOf, settle } from './reconcile.ts';
import { ownIdentity } from '../vmm/process-identity.ts';

const defaultGraceMs = 5000;
/** Beyond the grace it gives its processes, what the guest needs to sync, unmount and power off. */
const powerOffMs = 3000;

export async function stopSandbox(
  context: EngineContext,
  ref: string,
  { force = false, graceMs = defaultGraceMs }: { readonly force?: boolean; readonly graceMs?: number } = {},
): Promise<SandboxInfo> {
  const record = await found(context, ref);
  if (record.state === 'stopped' || record.state === 'failed') return toInfo(record);
  if (record.state === 'creating')
    throw new NovaError('invalid_state', `The sandbox ${record.id} is still being made.`);
  using _ending = ending(context, record.id);
  const machine = await attachMachine(context, record);
  if (machine !== null) {
    if (!force) await askGuest(context, record, machine, graceMs);
    await machine.stop();
  }
  const stopped = await ended(context, record, null);
  return toInfo(stopped ?? { ...record, state: 'stopped', stoppedAtMs: Date.now(), machine: null });
}

/** Has calls that lose the guest meanwhile be told why. */
function ending(context: EngineContext, id: string): Disposable {
  context.ending.add(id);
  return { [Symbol.dispose]: () => context.ending.delete(id) };
}

/** Lets the guest end its processes, write its disks and power off. One that does not answer or does not come to an end is cut off after. */
async function askGuest(
  context: EngineContext,
  record: SandboxRecord,
  machine: Machine,
  graceMs: number,
): Promise<void> {
  try {
    if (record.state === 'paused') await machine.resume?.({});
    const { agent } = await context.links.get(record);
    await agent.shutdown(graceMs, { timeoutMs: 5000 });
  } catch {
    return;
  }
  await waitForEnd(machine.record, graceMs + powerOffMs);
}

/** Deletes a sandbox with all it has. */
export async function removeSandbox(
  context: EngineContext,
  ref: string,
  { force = false }: { readonly force?: boolean } = {},
): Promise<void> {
  const record = await found(context, ref);
  const current = await settle(context, record);
  if (current === null) return;
  if (current.state === 'creating')
    throw new NovaError('invalid_state', `The sandbox ${record.id} is still being made.`);
  if (current.state === 'running' || current.state === 'paused') {
    if (!force) {
      throw new NovaError('invalid_state', `The sandbox ${record.name ?? record.id} is ${current.state}.`, {
        hint: 'Stop it first, or remove it with force.',
      });
    }
  }
  const going = markGoing(context, current);
  if (current.state === 'running' || current.state === 'paused') {
    using _ending = ending(context, current.id);
    const machine = await attachMachine(context, current);
    await machine?.stop();
    if ((await ended(context, going, null)) === null) return;
  }
  await context.links.drop(current.id);
  // Of one that has failed it is not known what runs.
  if (current.state === 'failed') await endProcessesOf(context, current.id);
  await deleteSandbox(context, current.id);
}

/** From here on the removal is finished, if not by us then by whoever looks after we were killed. */
function markGoing({ store }: EngineContext, record: SandboxRecord): SandboxRecord {
  const change = { maker: ownIdentity(), goesWithMaker: true } as const;
  try {
    store.changeSandbox(record.id, [record.state], change);
  } catch (error) {
    // On a full disk it goes without: to remove it is what makes space.
    if (!isDiskFull(error)) throw error;
  }
  return { ...record, ...change };
}
