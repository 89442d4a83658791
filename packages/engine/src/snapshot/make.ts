import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SandboxConfig } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { withLock } from '../images/lock.ts';
import { publish } from '../images/publish.ts';
import { dataExtents } from '../images/sparse.ts';
import { step } from '../images/step.ts';
import { makeWritableDisk } from '../images/writable-disk.ts';
import { memoryReserve, uniqueIdentity } from '../sandbox/identity.ts';
import { connect } from '../sandbox/connect.ts';
import { guestSpec, type GuestImages } from '../sandbox/guest-spec.ts';
import { firstAnswer } from '../sandbox/first-answer.ts';
import type { SandboxPlan } from '../sandbox/plan.ts';
import { startMachine } from '../sandbox/start-machine.ts';
import type { BuildContext } from '../services.ts';
import { takeBack } from '../vmm/ownership.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { noteUnfinished } from '../vmm/unfinished.ts';
import {
  describeFiles,
  diskFile,
  manifestFile,
  readSnapshot,
  type SnapshotManifest,
  type TemplateSnapshot,
} from './manifest.ts';
import { markUsed, pruneSnapshots } from './prune.ts';
import { tellingFullDisk } from '../vmm/full-disk.ts';

/** The snapshot of that shape; made when it is not there. Processes that want the same one at once wait for the one that makes it. */
export async function ensureSnapshot(
  context: EngineContext,
  digest: string,
  config: SandboxConfig,
  plan: SandboxPlan,
  images: GuestImages,
  options: BuildContext,
): Promise<TemplateSnapshot> {
  const directory = context.layout.snapshot(digest);
  const found = await readSnapshot(digest, directory);
  if (found !== null) {
    await markUsed(directory);
    return found;
  }
  const name = `snapshot-${digest}`;
  return withLock(join(context.layout.workDirectory, `${name}.lock`), { signal: options.signal }, async () => {
    const meanwhile = await readSnapshot(digest, directory);
    if (meanwhile !== null) return meanwhile;
    const { template } = plan.template;
    await step(options.progress, 'snapshot', `Booting ${template.template_id} once for its snapshot`, () =>
      publish(context.layout, name, async (work) => {
        await tellingFullDisk(work, () => make(context, work, config, plan, images, options));
        return directory;
      }),
    );
    await pruneSnapshots(context.layout);
    const made = await readSnapshot(digest, directory);
    if (made === null) throw new Error(`the snapshot just made in ${directory} cannot be read`);
    return made;
  });
}

/** A snapshot that turned out to be broken: it is thrown away, so that the next one is made anew. */
export async function discardSnapshot(context: EngineContext, digest: string): Promise<void> {
  await rm(context.layout.snapshot(digest), { recursive: true, force: true });
}

async function make(
  context: EngineContext,
  work: string,
  config: SandboxConfig,
  plan: SandboxPlan,
  images: GuestImages,
  { signal }: BuildContext,
): Promise<void> {
  const startedAt = performance.now();
  const { template } = plan.template;
  await using undo = new AsyncDisposableStack();
  // Each is a machine of its own: who clears up after one that was killed means that one alone.
  const id = `snap${randomBytes(10).toString('hex')}`;
  const socketDirectory = context.layout.sockets(id);
  undo.use(noteUnfinished(context.layout.making, { id, socketDirectory, folders: [] }));
  const machineDirectory = join(work, 'machine');
  await mkdir(machineDirectory, { mode: 0o700 });
  undo.defer(() => removeFolder(machineDirectory));

  if (plan.network === 'slot') undo.defer(() => context.network.giveBack(id));
  const connecting = connect(context, { id, sequence: 0 }, { guestPort: config.guestPort }, plan, signal);
  // Heard of where it is awaited.
  connecting.catch(() => undefined);
  const disk = join(work, diskFile);
  if (!config.readOnlyRootfs) await makeWritableDisk(disk, plan.diskSizeMb, { signal });
  const connection = await connecting;
  const spec = guestSpec(images, {
    id,
    sequence: 0,
    directory: machineDirectory,
    socketDirectory,
    // Clones have limits of their own.
    config: { ...config, rateLimits: {} },
    network: connection.machine,
    memoryMb: plan.memoryMb,
    vcpus: plan.vcpus,
    writableDisk: disk,
  });
  const machine = await startMachine(config.bootTimeoutMs, signal, (within) =>
    plan.driver.launch(spec, { signal: within, snapshotTo: work }),
  );
  undo.use(machine);
  const { agent, channel } = await firstAnswer(context, plan.driver, machine, {
    signal,
    timeoutMs: config.bootTimeoutMs,
    flush: false,
  });
  undo.defer(() => context.store.releaseLease(spec.id, channel));
  undo.use(agent);
  await agent.configure(
    // All of it, though each clone gets its own: what only has to be changed later costs less than what has to be made.
    {
      ...uniqueIdentity(template.template_id),
      defaultUser: template.user,
      env: template.env,
      memoryReserveMb: memoryReserve,
      processLimit: config.maxProcesses,
      ...(connection.guest === undefined ? {} : { network: connection.guest }),
    },
    { signal },
  );
  // Clones then find in memory what their first command needs.
  await agent.warm(template.warm, { signal });
  await agent.quiesce({ dropCaches: false, trim: false }, { signal, timeoutMs: 60_000 });
  // The session ends at a frame boundary: clones need no flush before their first handshake.
  await agent.close();
  // One that goes on afterwards must not write to its disk, which is part of the snapshot.
  if (plan.driver.features.liveSnapshot) await machine.pause?.({ signal });
  await machine.snapshot?.(work, { signal });
  await machine.stop();
  await removeFolder(machineDirectory);

  // Clones get copies of the disk.
  if (!config.readOnlyRootfs) takeBack(disk);
  const files = (await readdir(work)).sort();
  const manifest: SnapshotManifest = {
    version: 1,
    templateId: template.template_id,
    architecture: plan.template.architecture,
    madeBy: { hypervisor: plan.driver.name, key: await plan.driver.snapshotKey(plan.template.architecture) },
    memoryMb: plan.memoryMb,
    diskSizeMb: plan.diskSizeMb,
    diskExtents: config.readOnlyRootfs ? null : await dataExtents(disk),
    files: await describeFiles(work, files),
    createdAt: new Date().toISOString(),
    madeInMs: Math.round(performance.now() - startedAt),
  };
  await writeFile(join(work, manifestFile), JSON.stringify(manifest), { mode: 0o600 });
}
