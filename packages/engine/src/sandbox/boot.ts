import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isNovaError, toNovaError } from '@novasandbox/protocol';
import { copyExtents } from '../artifacts/sparse.ts';
import { fileMark } from '../artifacts/stamp.ts';
import { makeWritableDisk } from '../artifacts/writable-disk.ts';
import type { EngineContext } from '../context.ts';
import { discardGoldenSnapshot, ensureGoldenSnapshot } from '../golden/ensure.ts';
import { diskFile, requireCompatible, type GoldenSnapshot } from '../golden/manifest.ts';
import { canClone, shapeDigest } from '../golden/shape.ts';
import { bringUp, type BringUpOptions, type Guest } from '../guest/bring-up.ts';
import type { Connection } from '../guest/connection.ts';
import { guestImages, guestSpec, type GuestImages } from '../guest/guest-spec.ts';
import type { SandboxPlan } from '../guest/plan.ts';
import { trustOwn } from '../guest/trust.ts';
import { bootTwiceOnTimerFault } from '../guest/timer-fault.ts';
import type { GuestIdentity } from '../ports/guest-agent.ts';
import type { BootedFrom, SandboxRecord } from '../ports/store.ts';
import type { MachineSpec } from '../ports/vmm-driver.ts';
import type { BuildContext } from '../services.ts';
import { tellingFullDisk } from '../vmm/full-disk.ts';
import { diskOf } from './disk.ts';
import { identityOf } from './identity.ts';
import { volumeDisksOf } from './volumes.ts';

/** A sandbox that is about to be brought up. */
export interface Boot {
  readonly record: SandboxRecord;
  readonly plan: SandboxPlan;
  /** Its network, which is being set up meanwhile. */
  readonly connecting: Promise<Connection>;
  readonly options: BuildContext;
  /** As that of the machine. */
  readonly lowPriority?: boolean;
}

export interface Booted {
  readonly guest: Guest;
  readonly kind: 'cold' | 'snapshot' | 'process';
  readonly from: BootedFrom | null;
}

/** The first start of a sandbox: a clone where its config allows one, a cold boot otherwise. */
export async function bootNew(context: EngineContext, boot: Boot): Promise<Booted> {
  const { record, plan, options } = boot;
  if (!plan.driver.features.virtualMachine) return bootProcess(context, boot);
  const directory = context.layout.sandbox(record.id);
  return tellingFullDisk(directory, async () => {
    const images = await guestImages(context, plan.template, options);
    if (canClone(record.config, plan)) return bootClone(context, boot, images);
    if (!record.config.readOnlyRootfs)
      await makeWritableDisk(diskOf(context, record), plan.diskSizeMb, { signal: options.signal });
    return bootCold(context, boot, images);
  });
}

/** A later start: from the sandbox's own disk. */
export async function bootAgain(context: EngineContext, boot: Boot): Promise<Booted> {
  const { record, plan, options } = boot;
  if (!plan.driver.features.virtualMachine) return bootProcess(context, boot);
  const images = await guestImages(context, plan.template, options);
  return tellingFullDisk(context.layout.sandbox(record.id), () => bootCold(context, boot, images));
}

const maxAttempts = 3;
/** Failures of a clone that a second attempt may avoid. */
const transient = ['vmm_failed', 'boot_failed', 'guest_protocol_error', 'guest_unreachable'] as const;

/** Digests of the snapshots of which the last clone did not answer in time. */
const late = new Set<string>();

/**
 * Discards a snapshot of which two clones in a row were late. A single late clone proves nothing, because the host may
 * have been busy.
 */
async function countLate(context: EngineContext, digest: string): Promise<void> {
  if (late.delete(digest)) await discardGoldenSnapshot(context, digest);
  else late.add(digest);
}

async function bootClone(context: EngineContext, boot: Boot, images: GuestImages): Promise<Booted> {
  const { record, plan, options } = boot;
  const shape = { config: record.config, plan, images };
  const digest = await shapeDigest(shape);
  for (let attempt = 1; ; attempt++) {
    const snapshot = await ensureGoldenSnapshot(context, digest, shape, options);
    try {
      // A clone that a full disk breaks says nothing about the snapshot.
      const cloned = await tellingFullDisk(context.layout.sandbox(record.id), () =>
        cloneOf(snapshot, context, boot, images),
      );
      late.delete(digest);
      return cloned;
    } catch (error) {
      // The error that counts is the first one, even if clearing up after it failed too.
      const cause = toNovaError(error);
      if (isNovaError(cause, 'boot_timeout')) await countLate(context, digest);
      if (attempt === maxAttempts || !isNovaError(cause, ...transient)) throw error;
      // The first failure may be a VMM that was killed. A snapshot that fails twice is made anew; a third failure has
      // another cause.
      if (attempt > 1) await discardGoldenSnapshot(context, digest);
      await rm(diskOf(context, record), { force: true });
    }
  }
}

/** Brings a sandbox up as a clone of that snapshot. */
export async function cloneOf(
  snapshot: GoldenSnapshot,
  context: EngineContext,
  boot: Boot,
  images: GuestImages,
): Promise<Booted> {
  const { record, plan, connecting } = boot;
  await requireCompatible(snapshot.manifest, plan.driver);
  const { diskExtents } = snapshot.manifest;
  if (diskExtents !== null) {
    const size = plan.diskSizeMb * 1024 * 1024;
    await copyExtents(join(snapshot.directory, diskFile), diskExtents, diskOf(context, record), size);
  }
  const spec = specOf(context, boot, images, await connecting);
  return {
    kind: 'snapshot',
    guest: await start(context, boot, { spec, restore: snapshot }),
    from: bootedFrom(boot, images),
  };
}

async function bootCold(context: EngineContext, boot: Boot, images: GuestImages): Promise<Booted> {
  const connection = await boot.connecting;
  const spec = specOf(context, boot, images, connection);
  const guest = await bootTwiceOnTimerFault(() => start(context, boot, { spec, network: connection.guest }));
  return { kind: 'cold', guest, from: bootedFrom(boot, images) };
}

/** The facts that memory of the guest needs where it goes on. */
export function bootedFrom(
  { record: { config }, plan }: Pick<Boot, 'record' | 'plan'>,
  { root }: GuestImages,
): BootedFrom {
  return { root: root.digest, rootMark: fileMark(config.rootfsPath ?? root.path), network: plan.network };
}

async function bootProcess(context: EngineContext, boot: Boot): Promise<Booted> {
  const spec: MachineSpec = {
    ...placeOf(context, boot),
    kernel: '',
    initramfs: '',
    kernelArguments: [],
    drives: [],
    network: { mode: 'none' },
    channels: 1024,
  };
  return { kind: 'process', guest: await start(context, boot, { spec }), from: null };
}

/** How a guest starts, and what it is told besides its identity. */
type Start = Pick<BringUpOptions, 'spec' | 'restore' | 'wasInUse' | 'whole'> & {
  readonly network?: Connection['guest'];
  /** Changes the identity that the guest would get when it boots. */
  readonly identity?: (own: GuestIdentity) => GuestIdentity;
};

/** Brings the guest up as this sandbox. */
export async function start(
  context: EngineContext,
  { record, plan, options }: Boot,
  { network, identity = (own) => own, ...how }: Start,
): Promise<Guest> {
  await using undo = new AsyncDisposableStack();
  const guest = await bringUp(context, {
    ...how,
    driver: plan.driver,
    bootTimeoutMs: record.config.bootTimeoutMs,
    identity: () => ({
      ...identity(identityFor(record, plan)),
      ...(network === undefined ? {} : { network }),
    }),
    signal: options.signal,
  });
  undo.use(guest);
  await trustOwn(guest.agent, record, options.signal);
  if (plan.network === 'slot') context.network.handTo(record.id, guest.machine.record);
  undo.move();
  return guest;
}

/** The identity of the sandbox, with what its template says of its guests. */
export function identityFor(record: SandboxRecord, { driver, template: { template } }: SandboxPlan): GuestIdentity {
  // A guest that is a process of this host has this host's users.
  const isMachine = driver.features.virtualMachine;
  const { user, workdir } = isMachine ? template : { user: undefined, workdir: undefined };
  return identityOf(record, { user, env: template.env, workdir });
}

export function specOf(context: EngineContext, boot: Boot, images: GuestImages, connection: Connection): MachineSpec {
  const { record } = boot;
  const spec = guestSpec(images, {
    ...placeOf(context, boot),
    config: record.config,
    network: connection.machine,
    writableDisk: diskOf(context, record),
    volumeDisks: volumeDisksOf(context, record),
  });
  return { ...spec, lowPriority: boot.lowPriority };
}

/** Where the machine lies on this host, and its size. */
function placeOf({ layout }: EngineContext, { record: { id, sequence }, plan }: Boot) {
  return {
    id,
    sequence,
    directory: layout.sandbox(id),
    socketDirectory: layout.sockets(id),
    architecture: plan.template.architecture,
    memoryMb: plan.memoryMb,
    vcpus: plan.vcpus,
  };
}
