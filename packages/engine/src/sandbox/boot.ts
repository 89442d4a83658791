import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isNovaError, toNovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { copyExtents } from '../images/sparse.ts';
import { makeWritableDisk } from '../images/writable-disk.ts';
import type { GuestAgent } from '../ports/guest-agent.ts';
import type { SandboxRecord } from '../ports/store.ts';
import type { Machine, MachineSpec } from '../ports/vmm-driver.ts';
import type { BuildContext } from '../services.ts';
import { discardSnapshot, ensureSnapshot } from '../snapshot/make.ts';
import { diskFile, requireCompatible, type TemplateSnapshot } from '../snapshot/manifest.ts';
import { canClone, shapeDigest } from '../snapshot/shape.ts';
import { firstAnswer } from './first-answer.ts';
import { guestImages, guestSpec, type GuestImages } from './guest-spec.ts';
import type { Connection } from './connect.ts';
import { identityOf } from './identity.ts';
import type { SandboxPlan } from './plan.ts';
import { startMachine } from './start-machine.ts';
import { tellingFullDisk } from '../vmm/full-disk.ts';

export interface Booted {
  readonly machine: Machine;
  readonly agent: GuestAgent;
  readonly channel: number;
  readonly kind: 'cold' | 'snapshot' | 'process';
}

/** Name of a sandbox's writable layer in its folder. */
export const writableDiskFile = 'disk.raw';

const mostClones = 3;
/** How a clone fails that may do better when it is tried again. */
const unfinished = ['vmm_failed', 'boot_failed', 'guest_protocol_error', 'guest_unreachable'] as const;

/** Snapshots of which the last clone was not there in time. */
const late = new Set<string>();

/** A busy host is late too: that alone is no reason to throw a snapshot away, twice in a row is. */
async function countLate(context: EngineContext, digest: string): Promise<void> {
  if (late.delete(digest)) await discardSnapshot(context, digest);
  else late.add(digest);
}

/** A sandbox's first start: a clone where its config allows one, a cold boot where not. */
export async function bootNew(
  context: EngineContext,
  record: SandboxRecord,
  plan: SandboxPlan,
  connecting: Promise<Connection>,
  options: BuildContext,
): Promise<Booted> {
  if (!plan.driver.features.virtualMachine) return bootProcess(context, record, plan, options);
  const directory = context.layout.sandbox(record.id);
  return tellingFullDisk(directory, () => bootMachine(context, record, plan, connecting, options));
}

async function bootMachine(
  context: EngineContext,
  record: SandboxRecord,
  plan: SandboxPlan,
  connecting: Promise<Connection>,
  options: BuildContext,
): Promise<Booted> {
  const images = await guestImages(context, plan.template, options);
  if (canClone(record.config, plan)) {
    const digest = await shapeDigest(record.config, plan, images);
    for (let attempt = 1; ; attempt++) {
      const snapshot = await ensureSnapshot(context, digest, record.config, plan, images, options);
      try {
        const cloned = await tellingFullDisk(context.layout.sandbox(record.id), () =>
          clone(context, record, plan, images, snapshot, connecting, options),
        );
        late.delete(digest);
        return cloned;
      } catch (error) {
        // The first error counts, also where clearing up failed after it.
        const cause = toNovaError(error);
        if (isNovaError(cause, 'boot_timeout')) await countLate(context, digest);
        if (attempt === mostClones || !isNovaError(cause, ...unfinished)) throw error;
        // Its VMM may have been killed. A snapshot that cannot be continued twice is made anew, once; the third failure is about something else.
        if (attempt > 1) await discardSnapshot(context, digest);
        await rm(diskOf(context, record), { force: true });
      }
    }
  }
  if (!record.config.readOnlyRootfs)
    await makeWritableDisk(diskOf(context, record), plan.diskSizeMb, { signal: options.signal });
  return coldBoot(context, record, plan, images, await connecting, options);
}

/** A later start: from the sandbox's own disk. */
export async function bootAgain(
  context: EngineContext,
  record: SandboxRecord,
  plan: SandboxPlan,
  connecting: Promise<Connection>,
  options: BuildContext,
): Promise<Booted> {
  if (!plan.driver.features.virtualMachine) return bootProcess(context, record, plan, options);
  const images = await guestImages(context, plan.template, options);
  return tellingFullDisk(context.layout.sandbox(record.id), async () =>
    coldBoot(context, record, plan, images, await connecting, options),
  );
}

async function clone(
  context: EngineContext,
  record: SandboxRecord,
  plan: SandboxPlan,
  images: GuestImages,
  snapshot: TemplateSnapshot,
  connecting: Promise<Connection>,
  options: BuildContext,
): Promise<Booted> {
  await requireCompatible(snapshot.manifest, plan.driver);
  const { diskExtents } = snapshot.manifest;
  if (diskExtents !== null) {
    await copyExtents(
      join(snapshot.directory, diskFile),
      diskExtents,
      diskOf(context, record),
      plan.diskSizeMb * 1024 * 1024,
    );
  }
  const spec = specOf(context, record, plan, images, await connecting);
  const machine = await startMachine(record.config.bootTimeoutMs, options.signal, async (signal) => {
    const restored = await plan.driver.restore?.(spec, snapshot, { ...options, signal });
    if (restored === undefined) throw new Error(`${plan.driver.name} says it restores and does not`);
    return restored;
  });
  return answered(context, record, plan, machine, 'snapshot', options);
}

async function coldBoot(
  context: EngineContext,
  record: SandboxRecord,
  plan: SandboxPlan,
  images: GuestImages,
  connection: Connection,
  options: BuildContext,
): Promise<Booted> {
  const spec = specOf(context, record, plan, images, connection);
  const machine = await startMachine(record.config.bootTimeoutMs, options.signal, (signal) =>
    plan.driver.launch(spec, { ...options, signal }),
  );
  return answered(context, record, plan, machine, 'cold', options, connection.guest);
}

async function bootProcess(
  context: EngineContext,
  record: SandboxRecord,
  plan: SandboxPlan,
  options: BuildContext,
): Promise<Booted> {
  const spec: MachineSpec = {
    ...base(context, record, plan),
    kernel: '',
    initramfs: '',
    kernelArguments: [],
    drives: [],
    network: { mode: 'none' },
    channels: 1024,
  };
  const machine = await startMachine(record.config.bootTimeoutMs, options.signal, (signal) =>
    plan.driver.launch(spec, { ...options, signal }),
  );
  return answered(context, record, plan, machine, 'process', options);
}

/** Waits for the agent and makes the guest itself: identity, clock, randomness, limits. Fails closed: no identity, no sandbox. */
async function answered(
  context: EngineContext,
  record: SandboxRecord,
  plan: SandboxPlan,
  machine: Machine,
  kind: Booted['kind'],
  { signal }: BuildContext,
  network?: Connection['guest'],
): Promise<Booted> {
  await using undo = new AsyncDisposableStack();
  undo.use(machine);
  const { config } = record;
  // A snapshot's last session ended at a frame boundary, and a new guest has had none.
  const { agent, channel } = await firstAnswer(context, plan.driver, machine, {
    signal,
    timeoutMs: config.bootTimeoutMs,
    flush: false,
  });
  undo.defer(() => context.store.releaseLease(record.id, channel));
  undo.use(agent);
  const { template } = plan.template;
  const deadlineMs = config.timeoutMs === 0 ? null : config.timeoutMs;
  // The template's user lives in the template's root image.
  const user = kind === 'process' ? undefined : template.user;
  const identity = identityOf(record, user, deadlineMs, template.env);
  await agent.configure(network === undefined ? identity : { ...identity, network }, {
    signal,
    timeoutMs: config.bootTimeoutMs,
  });
  if (plan.network === 'slot') context.network.handTo(record.id, machine.record);
  undo.move();
  return { machine, agent, channel, kind };
}

function specOf(
  context: EngineContext,
  record: SandboxRecord,
  plan: SandboxPlan,
  images: GuestImages,
  connection: Connection,
): MachineSpec {
  return guestSpec(images, {
    ...base(context, record, plan),
    config: record.config,
    network: connection.machine,
    writableDisk: diskOf(context, record),
  });
}

function base(context: EngineContext, record: SandboxRecord, plan: SandboxPlan) {
  return {
    id: record.id,
    sequence: record.sequence,
    directory: context.layout.sandbox(record.id),
    socketDirectory: context.layout.sockets(record.id),
    architecture: plan.template.architecture,
    memoryMb: plan.memoryMb,
    vcpus: plan.vcpus,
  };
}

function diskOf(context: EngineContext, record: SandboxRecord): string {
  return join(context.layout.sandbox(record.id), writableDiskFile);
}
