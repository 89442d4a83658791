import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, NovaError, type SandboxInfo } from '@novasandbox/protocol';
import { unlessAborted } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import { startConnecting, type Connection } from '../guest/connection.ts';
import type { SandboxPlan } from '../guest/plan.ts';
import { openKeptMemory, type KeptMemory } from '../memory/kept.ts';
import { tellInBackground } from '../ports/background.ts';
import type { SandboxRecord } from '../ports/store.ts';
import type { BuildContext, ResumeContext } from '../services.ts';
import { ownIdentity } from '../vmm/process-identity.ts';
import { requireDriver } from './attach-machine.ts';
import { bootAgain, type Boot, type Booted } from './boot.ts';
import { bootFromMemory } from './boot-from-memory.ts';
import { connectionOf, handOver } from './create.ts';
import { toInfo } from './info.ts';
import { disksWrittenNs, keptMemory, removeKeptMemory } from './kept-memory.ts';
import { planContinued } from './plan-continued.ts';
import { settle } from './reconcile.ts';
import { sharedWork } from './shared-work.ts';
import { takeTurn } from './turn.ts';
import { takeVolumes } from './volumes.ts';

const waking = sharedWork<SandboxRecord>();

/**
 * Lets a hibernated sandbox go on where it was. All callers that want it awake share one waking, which goes on when
 * some of them give up. Where its memory cannot be used any more, it boots from its disk, and its `reason` says so.
 * After an error it is hibernated as it was.
 */
export async function wakeSandbox(
  context: EngineContext,
  record: SandboxRecord,
  { signal, ...how }: ResumeContext = {},
): Promise<SandboxRecord> {
  const shared = waking(context, record.id, () => wakeAdmitted(context, record, how));
  return unlessAborted(shared, signal, 'while the sandbox was woken');
}

async function wakeAdmitted(
  context: EngineContext,
  asleep: SandboxRecord,
  options: ResumeContext,
): Promise<SandboxRecord> {
  const tell = context.wakings.admit(toInfo(asleep));
  let awake: SandboxInfo | null = null;
  try {
    const record = await wake(context, asleep, options);
    awake = toInfo(record);
    return record;
  } finally {
    tell(awake);
  }
}

async function wake(context: EngineContext, asleep: SandboxRecord, options: ResumeContext): Promise<SandboxRecord> {
  const startedAt = performance.now();
  const { id } = asleep;
  const claim = { state: 'creating', maker: ownIdentity(), reason: null } as const;
  const record = context.store.changeSandbox(id, ['hibernated'], claim);
  if (record === null) return whenAwake(context, id);
  await using undo = new AsyncDisposableStack();
  undo.defer(
    () => void context.store.changeSandbox(id, ['creating'], { state: 'hibernated', maker: null, machine: null }),
  );
  const { plan, why, booted } = await bringBack(context, record, undo, options);
  await using _turn = await takeTurn(context, id, undefined);
  // If this process ends before it could remove the memory, the next process that looks does that.
  const change = { sleep: null, reason: why, holder: ownIdentity() };
  const running = await handOver(context, record, plan, booted, startedAt, options, change);
  undo.move();
  try {
    // The guest has its memory mapped.
    await removeKeptMemory(context, id);
  } catch (error) {
    // The next memory that is kept replaces it.
    tellInBackground(`removing the memory of ${id}, which has been woken`, error);
  }
  return context.store.changeSandbox(id, ['running'], { holder: null }, { machine: running.machine }) ?? running;
}

/** How often a guest may fail to go on from its memory before it boots from its disk. */
const attempts = 2;

/** The source that a sandbox is brought up from: its memory, or null where it boots from its disk, with the reason. */
interface Source {
  readonly memory: KeptMemory | null;
  readonly why: string | null;
}
const diskBecause = (reason: string): Source => ({
  memory: null,
  why: `it booted from its disk, because ${reason}`,
});

/** Brings the guest up from its memory, or from its disk where the memory cannot be used. */
async function bringBack(
  context: EngineContext,
  record: SandboxRecord,
  undo: AsyncDisposableStack,
  { memory: wanted = true, ...options }: ResumeContext,
): Promise<{ readonly plan: SandboxPlan; readonly why: string | null; readonly booted: Booted }> {
  let connecting: Promise<Connection> | undefined;
  for (let attempt = 1, failure: string | null = null; ; attempt++) {
    const source = failure === null ? await memoryToGoOnFrom(context, record, wanted) : diskBecause(failure);
    const { memory, why, plan } = await planWaking(context, record, source, options);
    await takeVolumes(context, { record, plan }, options);
    connecting ??= startConnecting(undo, context, connectionOf(context, record, plan, options));
    const boot: Boot = { record, plan, connecting, options };
    if (memory === null) return { plan, why, booted: await bootAgain(context, boot) };
    try {
      const booted = await bootFromMemory(context, boot, { ...memory, diskIn: null }, { asAnother: false });
      return { plan, why, booted };
    } catch (error) {
      if (!isNovaError(error, 'vmm_failed', 'boot_failed')) throw error;
      if (attempt === attempts) failure = `it failed ${attempts} times to go on from its memory: ${error.message}`;
    }
  }
}

/** Plans a sandbox that goes on from its memory, or from its disk where this host has another network for it now. */
async function planWaking(
  context: EngineContext,
  record: SandboxRecord,
  source: Source,
  options: BuildContext,
): Promise<Source & { readonly plan: SandboxPlan }> {
  const { config, hypervisor, memoryMb, vcpus, diskSizeMb, bootedFrom } = record;
  const shape = { hypervisor, memoryMb, vcpus, diskSizeMb };
  const how = { ...options, ownership: record };
  if (source.memory !== null) {
    try {
      return { ...source, plan: await planContinued(context, config, { ...shape, bootedFrom }, how) };
    } catch (error) {
      if (!isNovaError(error, 'snapshot_incompatible')) throw error;
      source = diskBecause(error.message);
    }
  }
  return { ...source, plan: await planContinued(context, config, { ...shape, bootedFrom: null }, how) };
}

/** The memory that the sandbox goes on from. */
async function memoryToGoOnFrom(context: EngineContext, record: SandboxRecord, wanted: boolean): Promise<Source> {
  const { id, hypervisor, sleep } = record;
  if (!wanted || sleep?.memory !== true) return { memory: null, why: null };
  // A guest that was woken in vain has written to its disk, which its memory does not know.
  if ((await disksWrittenNs(context, record)) !== sleep.diskWrittenNs)
    return diskBecause('its disk has been written to since its memory was kept');
  try {
    const folder = keptMemory(context, id);
    const memory = await openKeptMemory(context, requireDriver(context, hypervisor), record, folder, undefined);
    return { memory, why: null };
  } catch (error) {
    if (!isNovaError(error, 'snapshot_damaged', 'snapshot_incompatible')) throw error;
    return diskBecause(`its memory could not be used: ${error.message}`);
  }
}

/** How long another process may take to wake a sandbox, ms. */
const awakeWithinMs = 60_000;
const lookEveryMs = 20;

async function whenAwake(context: EngineContext, id: string): Promise<SandboxRecord> {
  const end = performance.now() + awakeWithinMs;
  for (;;) {
    const found = context.store.findSandbox(id);
    const current = found === null ? null : await settle(context, found);
    if (current === null) throw new NovaError('sandbox_not_found', `The sandbox ${id} was removed meanwhile.`);
    if (current.state === 'hibernated') return wake(context, current, {});
    if (current.state !== 'creating') return current;
    if (performance.now() > end)
      throw new NovaError('boot_timeout', `Another process has been waking the sandbox ${id} for too long.`);
    await delay(lookEveryMs);
  }
}
