import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  NovaError,
  parse,
  sandboxConfigSchema,
  type SandboxConfigInput,
  type SandboxInfo,
} from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import type { SandboxRecord } from '../ports/store.ts';
import type { VmmDriver } from '../ports/vmm-driver.ts';
import type { BuildContext, CreateContext, StartContext } from '../services.ts';
import { ownIdentity } from '../vmm/process-identity.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { bootAgain, bootNew, writableDiskFile, type Booted } from './boot.ts';
import { connect, type Connection } from './connect.ts';
import { cannot } from './features.ts';
import { newSandboxId } from './id.ts';
import { toInfo } from './info.ts';
import { planSandbox, type SandboxPlan } from './plan.ts';
import { sweep, settle } from './reconcile.ts';

/** Makes a sandbox and hands it out once its guest has taken on its identity. After an error or an abort nothing is left. */
export async function createSandbox(
  context: EngineContext,
  input: SandboxConfigInput,
  options: CreateContext = {},
): Promise<SandboxInfo> {
  const startedAt = performance.now();
  const config = parse(sandboxConfigSchema, input, 'sandbox config');
  const labels = { ...config.labels, ...options.reservedLabels };
  throwIfAborted(options.signal, 'before anything was made');
  await sweep(context);
  const plan = await planSandbox(context, config, options);

  await using undo = new AsyncDisposableStack();
  const record = context.store.addSandbox({
    id: options.id ?? newSandboxId(),
    name: config.name ?? null,
    owner: options.ownership?.owner ?? null,
    team: options.ownership?.team ?? null,
    config: { ...config, labels, architecture: plan.template.architecture },
    hypervisor: plan.driver.name,
    memoryMb: plan.memoryMb,
    vcpus: plan.vcpus,
    diskSizeMb: plan.diskSizeMb,
    createdAtMs: Date.now(),
    maker: ownIdentity(),
  });
  undo.defer(() => context.store.removeSandbox(record.id));
  const directory = context.layout.sandbox(record.id);
  await mkdir(directory, { mode: 0o700 });
  undo.defer(() => removeFolder(directory));

  const connecting = startConnecting(undo, context, record, plan, options);
  const booted = await bootNew(context, record, plan, connecting, options);
  const running = await handOver(context, record, plan, booted, startedAt, options);
  undo.move();
  return toInfo(running);
}

/** Starts a stopped sandbox again, on another hypervisor where one is named: disks are the same for all. One that runs is left alone. */
export async function startSandbox(
  context: EngineContext,
  found: SandboxRecord,
  options: StartContext = {},
): Promise<SandboxInfo> {
  const startedAt = performance.now();
  const current = await settle(context, found);
  if (current === null) throw new NovaError('sandbox_not_found', `The sandbox ${found.id} has gone.`);
  const hypervisor = options.hypervisor ?? current.hypervisor;
  if (current.state === 'running') {
    if (hypervisor === 'auto' || hypervisor === current.hypervisor) return toInfo(current);
    throw new NovaError(
      'invalid_state',
      `The sandbox ${current.name ?? current.id} runs on ${current.hypervisor}: its memory cannot move to ${hypervisor}.`,
      { hint: 'Stop it first: its disk moves.' },
    );
  }
  await requireDisk(context, current);
  const record = context.store.changeSandbox(current.id, ['stopped', 'failed'], {
    state: 'creating',
    maker: ownIdentity(),
    reason: null,
  });
  if (record === null)
    throw new NovaError('invalid_state', `The sandbox ${current.id} is ${current.state} and cannot be started.`);
  await using undo = new AsyncDisposableStack();
  undo.defer(
    () => void context.store.changeSandbox(record.id, ['creating'], { state: 'stopped', maker: null, machine: null }),
  );
  const plan = await planSandbox(context, { ...record.config, hypervisor }, options);
  requireSameKind(context, record, plan);
  const connecting = startConnecting(undo, context, record, plan, options);
  // As it was last, which may be another size than it was made with.
  const { memoryMb, vcpus, diskSizeMb } = record;
  const booted = await bootAgain(context, record, { ...plan, memoryMb, vcpus, diskSizeMb }, connecting, options);
  const running = await handOver(context, record, plan, booted, startedAt, options);
  undo.move();
  return toInfo(running);
}

/** A sandbox without its disk cannot go on. */
async function requireDisk(context: EngineContext, { id, name, config, hypervisor }: SandboxRecord): Promise<void> {
  const folder = context.layout.sandbox(id);
  const hasDisk = !config.readOnlyRootfs && context.drivers.get(hypervisor)?.features.virtualMachine !== false;
  const missing = await access(hasDisk ? join(folder, writableDiskFile) : folder).then(
    () => false,
    () => true,
  );
  if (!missing) return;
  throw new NovaError('storage_failed', `The disk of the sandbox ${name ?? id} is missing: ${folder} has it no more.`, {
    hint: 'Put it back where there is a copy, or remove the sandbox with `nova rm`.',
  });
}

/** A process of the host has no disk that a machine could boot from, nor the other way round. */
function requireSameKind(context: EngineContext, record: SandboxRecord, { driver }: SandboxPlan): void {
  const before = context.drivers.get(record.hypervisor)?.features.virtualMachine;
  const same = ({ features }: VmmDriver): boolean => before === undefined || features.virtualMachine === before;
  if (!same(driver)) throw cannot(context, driver.name, `go on with a sandbox of ${record.hypervisor}`, same);
}

/** Begins to make the sandbox's network; `undo` gives it back. */
function startConnecting(
  undo: AsyncDisposableStack,
  context: EngineContext,
  record: SandboxRecord,
  plan: SandboxPlan,
  { signal }: BuildContext,
): Promise<Connection> {
  if (plan.network === 'slot') undo.defer(() => context.network.giveBack(record.id));
  const connecting = connect(context, record, record.config, plan, signal);
  // A failure is heard of where it is awaited.
  connecting.catch(() => undefined);
  return connecting;
}

/** The last step of both: from here on the sandbox is the user's, and this process holds a session with it. */
async function handOver(
  context: EngineContext,
  record: SandboxRecord,
  plan: SandboxPlan,
  booted: Booted,
  startedAt: number,
  { signal, ready }: Pick<CreateContext, 'signal' | 'ready'>,
): Promise<SandboxRecord> {
  const { machine, agent, channel, kind } = booted;
  const bootTimeMs = Math.round((performance.now() - startedAt) * 100) / 100;
  await using undo = new AsyncDisposableStack();
  undo.defer(() => machine.stop());
  undo.defer(() => context.store.releaseLease(record.id, channel));
  undo.defer(() => agent.close().catch(() => undefined));
  await ready?.();
  const now = Date.now();
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
        });
  if (running === null) throw new NovaError('cancelled', 'The sandbox was given up while it was being made.');
  undo.move();
  context.links.adopt(record.id, { machine, agent }, channel);
  return running;
}
