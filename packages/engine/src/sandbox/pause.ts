import { NovaError, type SandboxInfo } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { SandboxRecord } from '../ports/store.ts';
import type { Machine } from '../ports/vmm-driver.ts';
import { unsupported } from './features.ts';
import { attachMachine, found } from './find.ts';
import { wallClockNs } from './identity.ts';
import { toInfo } from './info.ts';

/** Stops the guest's CPUs; memory and connections stay. Idempotent. Its time to live stands still meanwhile. */
export async function pauseSandbox(context: EngineContext, ref: string): Promise<SandboxInfo> {
  const record = await found(context, ref);
  if (record.state === 'paused') return toInfo(record);
  const machine = await pausable(context, record, 'running');
  await machine.pause?.({});
  try {
    return toInfo(changed(context, record, 'running', { state: 'paused', pausedAtMs: Date.now() }));
  } catch (error) {
    // It is not to stand still while everybody takes it for running.
    await machine.resume?.({});
    throw error;
  }
}

/** Goes on where it was paused, with the clock set right. Idempotent. */
export async function resumeSandbox(context: EngineContext, ref: string): Promise<SandboxInfo> {
  const record = await found(context, ref);
  if (record.state === 'running') {
    await letRun(context, record);
    return toInfo(record);
  }
  const machine = await pausable(context, record, 'paused');
  await machine.resume?.({});
  // The guest's timer stood still while it was paused, so the time to live moves on by as much.
  const pausedMs = record.pausedAtMs === null ? 0 : Date.now() - record.pausedAtMs;
  const expiresAtMs = record.expiresAtMs === null ? null : record.expiresAtMs + pausedMs;
  try {
    const { agent } = await context.links.get(record);
    await agent.setClock(wallClockNs());
    return toInfo(changed(context, record, 'paused', { state: 'running', pausedAtMs: null, expiresAtMs }));
  } catch (error) {
    // It stays paused as a whole, and can be resumed again.
    await machine.pause?.({});
    throw error;
  }
}

/** One that stands still although it is recorded as running: whoever paused it was killed before that was noted, or its disk was full. */
async function letRun(context: EngineContext, record: SandboxRecord): Promise<void> {
  const machine = await attachMachine(context, record);
  if ((await machine?.standsStill?.({})) === true) await machine?.resume?.({});
}

async function pausable(context: EngineContext, record: SandboxRecord, state: 'running' | 'paused'): Promise<Machine> {
  if (record.state !== state) {
    throw new NovaError('invalid_state', `The sandbox ${record.name ?? record.id} is ${record.state}, not ${state}.`);
  }
  const machine = await attachMachine(context, record);
  if (machine === null) throw new NovaError('sandbox_not_running', `The sandbox ${record.id} has ended.`);
  if (machine.pause === undefined) throw unsupported(context, record.hypervisor, 'pause');
  return machine;
}

function changed(
  context: EngineContext,
  record: SandboxRecord,
  from: 'running' | 'paused',
  change: Partial<SandboxRecord>,
): SandboxRecord {
  const after = context.store.changeSandbox(record.id, [from], change);
  if (after === null) throw new NovaError('sandbox_not_found', `The sandbox ${record.id} was removed meanwhile.`);
  return after;
}
