import { access, mkdir } from 'node:fs/promises';
import { NovaError, type Resize, type SandboxConfig, type SandboxInfo } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { NewSandbox as StoredSandbox, SandboxRecord } from '../ports/store.ts';
import type { VmmDriver } from '../ports/vmm-driver.ts';
import { needsAuthority, newAuthority } from '../secrets/keep.ts';
import type { BuildContext, CreateContext, StartContext } from '../services.ts';
import { ownIdentity } from '../vmm/process-identity.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { bootAgain, type Boot, type Booted } from './boot.ts';
import { diskOf } from './disk.ts';
import { forwardsOf, startConnecting, type ConnectionWanted } from '../guest/connection.ts';
import { cannot } from '../guest/features.ts';
import { governanceOf, policyOf } from '../guest/governance.ts';
import { governAnew } from './change-policy.ts';
import { findSandbox } from './find.ts';
import { newSandboxId } from './id.ts';
import { toInfo } from './info.ts';
import { requireDriver } from './attach-machine.ts';
import { planSandbox, type SandboxPlan } from '../guest/plan.ts';
import { takeVolumes, type WantedVolume } from './volumes.ts';

/** A sandbox that is to be made. */
export interface NewSandbox extends Partial<
  Pick<SandboxRecord, 'snapshotId' | 'forkedFrom' | 'names' | 'secrets' | 'authority'>
> {
  readonly config: SandboxConfig;
  readonly plan: SandboxPlan;
  /** Its volumes (`findVolumes`). */
  readonly volumes: readonly WantedVolume[];
  /** Ids of the private networks that it joins (`findNetworks`). */
  readonly networks: readonly string[];
  /** When the call began, in the time of `performance.now()`. */
  readonly startedAt: number;
}

/**
 * Makes the record and the folder of a sandbox, has its guest brought up, and hands it out. After an error or an abort
 * nothing is left.
 */
export async function makeSandbox(
  context: EngineContext,
  wanted: NewSandbox,
  options: CreateContext,
  bringUp: (boot: Boot) => Promise<Booted>,
): Promise<SandboxInfo> {
  const { plan, startedAt, volumes, networks } = wanted;
  await using undo = new AsyncDisposableStack();
  const record = context.store.addSandbox({ id: options.id ?? newSandboxId(), ...newRecord(context, wanted, options) });
  undo.defer(() => context.store.removeSandbox(record.id));
  context.store.joinNetworks(record.id, networks);
  await takeVolumes(context, { record, plan }, options, volumes);
  const directory = context.layout.sandbox(record.id);
  await mkdir(directory, { mode: 0o700 });
  undo.defer(() => removeFolder(directory));

  const connecting = startConnecting(undo, context, connectionOf(context, record, plan, options));
  const booted = await bringUp({ record, plan, connecting, options });
  const running = await handOver(context, record, plan, booted, startedAt, options);
  undo.move();
  return toInfo(running);
}

/** The record of a sandbox that is to be made, without its id. */
export function newRecord(
  { store, seals }: Pick<EngineContext, 'store' | 'seals'>,
  { config, plan, ...from }: Omit<NewSandbox, 'startedAt' | 'volumes' | 'networks'>,
  { ownership, reservedLabels }: CreateContext,
): Omit<StoredSandbox, 'id'> {
  const { snapshotId = null, forkedFrom = null, names = [], secrets = [] } = from;
  const owner = ownership?.owner ?? null;
  const isNeeded = needsAuthority(policyOf(store, { config, owner }), secrets);
  const authority = from.authority ?? (isNeeded ? newAuthority(seals) : null);
  const labels = { ...config.labels, ...reservedLabels };
  return {
    name: config.name ?? null,
    owner,
    team: ownership?.team ?? null,
    config: { ...config, labels, architecture: plan.template.architecture },
    snapshotId,
    forkedFrom,
    names,
    secrets,
    authority,
    hypervisor: plan.driver.name,
    memoryMb: plan.memoryMb,
    vcpus: plan.vcpus,
    diskSizeMb: plan.diskSizeMb,
    createdAtMs: Date.now(),
    maker: ownIdentity(),
  };
}

/**
 * Starts a stopped sandbox again, on another hypervisor where one is named: disks are the same for all. A running
 * sandbox is left alone.
 */
export async function startSandbox(
  context: EngineContext,
  ref: string,
  options: StartContext = {},
): Promise<SandboxInfo> {
  const startedAt = performance.now();
  const current = await findSandbox(context, ref);
  const hypervisor = options.hypervisor ?? current.hypervisor;
  if (current.state === 'running') {
    if (hypervisor === 'auto' || hypervisor === current.hypervisor) return toInfo(current);
    throw new NovaError(
      'invalid_state',
      `The sandbox ${current.name ?? current.id} runs on ${current.hypervisor}: its memory cannot move to ${hypervisor}.`,
      { hint: 'Stop it first: its disk moves.' },
    );
  }
  if (options.hypervisor === undefined) requireDriver(context, current.hypervisor);
  if (current.state === 'hibernated')
    throw new NovaError('invalid_state', `The sandbox ${current.name ?? current.id} is hibernated.`, {
      hint: 'Wake it with `nova resume`, or stop it, which gives its memory up, and start it then.',
    });
  if (current.state !== 'stopped' || current.goesWithMaker === true) throw cannotStart(current);
  await requireDisk(context, current);
  const record = context.store.changeSandbox(current.id, ['stopped'], {
    state: 'creating',
    maker: ownIdentity(),
    reason: null,
  });
  if (record === null) throw cannotStart(context.store.findSandbox(current.id) ?? current);
  await using undo = new AsyncDisposableStack();
  undo.defer(
    () => void context.store.changeSandbox(record.id, ['creating'], { state: 'stopped', maker: null, machine: null }),
  );
  const plan = await planSandbox(context, { ...record.config, hypervisor }, { ...options, ownership: record });
  requireSameKind(context, record, plan);
  await takeVolumes(context, { record, plan }, options);
  const connecting = startConnecting(undo, context, connectionOf(context, record, plan, options));
  // Its last size may differ from the size that it was made with.
  const { memoryMb, vcpus, diskSizeMb } = record;
  const booted = await bootAgain(context, {
    record,
    plan: { ...plan, memoryMb, vcpus, diskSizeMb },
    connecting,
    options,
  });
  const running = await handOver(context, record, plan, booted, startedAt, options);
  undo.move();
  return toInfo(running);
}

function cannotStart({ id, name, state, goesWithMaker }: SandboxRecord): NovaError {
  const is = goesWithMaker === true ? 'being removed' : state;
  const options = state === 'stopping' ? { hint: 'Wait until it has stopped.' } : {};
  return new NovaError('invalid_state', `The sandbox ${name ?? id} is ${is} and cannot be started.`, options);
}

/** Refuses a sandbox whose disk is missing. */
async function requireDisk(context: EngineContext, { id, name, config, hypervisor }: SandboxRecord): Promise<void> {
  const folder = context.layout.sandbox(id);
  const hasDisk = !config.readOnlyRootfs && context.drivers.get(hypervisor)?.features.virtualMachine !== false;
  const missing = await access(hasDisk ? diskOf(context, { id }) : folder).then(
    () => false,
    () => true,
  );
  if (!missing) return;
  throw new NovaError('storage_failed', `The disk of the sandbox ${name ?? id} is missing: ${folder} has it no more.`, {
    hint: 'Put it back where there is a copy, or remove the sandbox with `nova rm`.',
  });
}

/** Refuses to move a sandbox between a virtual machine and a process of the host: they have no disk in common. */
function requireSameKind(context: EngineContext, record: SandboxRecord, { driver }: SandboxPlan): void {
  const before = context.drivers.get(record.hypervisor)?.features.virtualMachine;
  const same = ({ features }: VmmDriver): boolean => before === undefined || features.virtualMachine === before;
  if (!same(driver)) throw cannot(context, driver.name, `go on with a sandbox of ${record.hypervisor}`, same);
}

export const connectionOf = (
  { store, seals }: Pick<EngineContext, 'store' | 'seals'>,
  record: SandboxRecord,
  { network }: SandboxPlan,
  { signal }: BuildContext,
): ConnectionWanted => ({
  ...{ id: record.id, sequence: record.sequence, network, signal },
  forwards: forwardsOf(record.config),
  governance: governanceOf({ store, seals }, record),
});

function policyChangedSince({ store }: EngineContext, { config, owner }: SandboxRecord, sinceMs: number): boolean {
  const { policy } = config;
  return typeof policy === 'string' && (store.policyNamed(policy, owner)?.changedAtMs ?? 0) >= Math.floor(sinceMs);
}

/**
 * The last step of a create and of a start: from here on the sandbox is its user's, and this process holds a session
 * with it.
 *
 * @param more what changes in its record at the same moment
 */
export async function handOver(
  context: EngineContext,
  record: SandboxRecord,
  plan: SandboxPlan,
  { guest, kind, from }: Booted,
  startedAt: number,
  { signal, ready }: Pick<CreateContext, 'signal' | 'ready'>,
  more: Partial<
    Pick<SandboxRecord, 'sleep' | 'reason' | 'holder' | keyof Resize | 'snapshotId' | 'restoredAtMs' | 'names'>
  > = {},
): Promise<SandboxRecord> {
  await using _guest = guest;
  const { machine, agent, channel } = guest;
  const bootTimeMs = Math.round((performance.now() - startedAt) * 100) / 100;
  await ready?.();
  const now = Date.now();
  // A policy that was changed since then may have been put in force as it was before.
  if (policyChangedSince(context, record, now - bootTimeMs)) await governAnew(context, record.id, signal);
  const running =
    signal?.aborted === true
      ? null
      : context.store.changeSandbox(record.id, ['creating'], {
          state: 'running',
          hypervisor: plan.driver.name,
          maker: null,
          machine: machine.record,
          startedAtMs: now,
          stoppedAtMs: null,
          expiresAtMs: record.config.timeoutMs === 0 ? null : now + record.config.timeoutMs,
          bootTimeMs,
          bootKind: kind,
          accelerator: plan.accelerator,
          bootedFrom: from,
          goesWithMaker: undefined,
          fullDisks: [],
          ...more,
        });
  if (running === null) throw new NovaError('cancelled', 'The sandbox was given up while it was being made.');
  guest.keep();
  context.links.adopt(record.id, { machine, agent }, channel);
  return running;
}
