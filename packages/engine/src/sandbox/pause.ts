import { NovaError, type SandboxInfo } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { SandboxRecord } from '../ports/store.ts';
import type { Machine } from '../ports/vmm-driver.ts';
import { unsupported } from '../guest/features.ts';
import { attachMachine } from './attach-machine.ts';
import { findSandbox } from './find.ts';
import { wallClockNs } from '../guest/identity.ts';
import { toInfo } from './info.ts';
import { isAsleep } from './kept-memory.ts';
import { sharedWork } from './shared-work.ts';
import { wakeSandbox } from './wake.ts';
import type { ResumeContext } from '../services.ts';

/**
 * Stops the guest's CPUs; memory and connections stay, and the time to live stands still. Idempotent.
 *
 * @param how.onlyIf whether it is still to be paused; otherwise it is left alone
 */
export async function pauseSandbox(
  context: EngineContext,
  ref: string,
  { onlyIf }: { readonly onlyIf?: (now: SandboxRecord) => boolean } = {},
): Promise<SandboxInfo> {
  const record = await findSandbox(context, ref);
  if (record.state === 'paused' || onlyIf?.(record) === false) return toInfo(record);
  const machine = await pausable(context, record, 'running');
  await machine.pause?.({});
  try {
    return toInfo(changed(context, record, 'running', { state: 'paused', pausedAtMs: Date.now() }));
  } catch (error) {
    // A sandbox that is recorded as running must not stand still.
    await machine.resume?.({});
    throw error;
  }
}

/** Lets the guest go on where it was paused or hibernated, and sets its clock. Idempotent. */
export async function resumeSandbox(
  context: EngineContext,
  ref: string,
  call: ResumeContext = {},
): Promise<SandboxInfo> {
  const record = await findSandbox(context, ref);
  if (isAsleep(record)) return toInfo(await wakeSandbox(context, record, call));
  if (record.state === 'running') {
    await letRun(context, record);
    return toInfo(record);
  }
  return toInfo(await resuming(context, record.id, () => goOn(context, record)));
}

const resuming = sharedWork<SandboxRecord>();

/** Lets a paused guest go on. */
async function goOn(context: EngineContext, record: SandboxRecord): Promise<SandboxRecord> {
  const machine = await pausable(context, record, 'paused');
  await machine.resume?.({});
  const expiresAtMs = expiryAfterPause(record);
  try {
    const { agent } = await context.links.get(record);
    await agent.setClock(wallClockNs());
    return changed(context, record, 'paused', { state: 'running', pausedAtMs: null, expiresAtMs });
  } catch (error) {
    // It stays paused as a whole, and can be resumed again.
    await machine.pause?.({});
    throw error;
  }
}

/**
 * The guest's timer stood still while it was paused, so the time to live moves on by as much. One that was over begins
 * anew.
 */
function expiryAfterPause({ expiresAtMs, pausedAtMs, config }: SandboxRecord): number | null {
  if (expiresAtMs === null || pausedAtMs === null) return expiresAtMs;
  const now = Date.now();
  if (pausedAtMs < expiresAtMs) return expiresAtMs + (now - pausedAtMs);
  return config.timeoutMs === 0 ? null : now + config.timeoutMs;
}

/**
 * Resumes a guest that stands still although it is recorded as running: the process that paused it was killed before it
 * could record that, or the host's disk was full.
 */
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
  change: Partial<SandboxRecord> & Pick<SandboxRecord, 'state'>,
): SandboxRecord {
  const after = context.store.changeSandbox(record.id, [from], change);
  if (after !== null) return after;
  // Another call may have done the same.
  const current = context.store.findSandbox(record.id);
  if (current?.state === change.state) return current;
  throw new NovaError('sandbox_not_found', `The sandbox ${record.id} was stopped or removed meanwhile.`);
}
