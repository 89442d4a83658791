import { readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dataExtents } from '../artifacts/sparse.ts';
import { makeWritableDisk } from '../artifacts/writable-disk.ts';
import type { EngineContext } from '../context.ts';
import { bringUp, type Guest } from '../guest/bring-up.ts';
import { startConnecting } from '../guest/connection.ts';
import { guestSpec } from '../guest/guest-spec.ts';
import { memoryReserveMb, uniqueIdentity } from '../guest/identity.ts';
import { placeVolumes } from '../guest/place-volumes.ts';
import { makeWorkPlace } from '../guest/work-place.ts';
import { readableToVmms } from '../vmm/image-group.ts';
import { takeBack } from '../vmm/ownership.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { describeFiles, diskFile, manifestFile, type GoldenManifest } from './manifest.ts';
import type { GoldenShape } from './shape.ts';

/** Time limit for a guest to write its caches, ms. */
const quiesceMs = 60_000;

/**
 * Boots a guest of that shape once, has it warmed up, and writes its memory, its devices and its disk to the folder
 * `work`.
 */
export async function makeGoldenSnapshot(
  context: EngineContext,
  work: string,
  shape: GoldenShape,
  signal: AbortSignal | undefined,
): Promise<void> {
  const startedAt = performance.now();
  const { config, plan, images } = shape;
  const { template } = plan.template;
  await using undo = new AsyncDisposableStack();
  const place = undo.use(await makeWorkPlace(context.layout, 'gold', join(work, 'machine')));
  const connecting = startConnecting(undo, context, {
    id: place.id,
    sequence: 0,
    network: plan.network,
    // Clones have forwards and limits of their own.
    forwards: [],
    signal,
  });
  const disk = join(work, diskFile);
  if (!config.readOnlyRootfs) await makeWritableDisk(disk, plan.diskSizeMb, { signal });
  const volumeDisks = await makePlaceholders(place.directory, config);
  const connection = await connecting;
  const guest = undo.use(
    await bringUp(context, {
      driver: plan.driver,
      spec: guestSpec(images, {
        ...place,
        sequence: 0,
        config: { ...config, rateLimits: {} },
        network: connection.machine,
        memoryMb: plan.memoryMb,
        vcpus: plan.vcpus,
        writableDisk: disk,
        volumeDisks,
      }),
      snapshotTo: work,
      bootTimeoutMs: config.bootTimeoutMs,
      // All of it is set, although each clone gets its own identity: for a clone, changing a setting costs less than
      // making it.
      identity: () => ({
        ...uniqueIdentity(template.template_id),
        defaultUser: template.user,
        env: template.env,
        ...(template.workdir === undefined ? {} : { defaultCwd: template.workdir }),
        memoryReserveMb,
        processLimit: config.maxProcesses,
        ...(connection.guest === undefined ? {} : { network: connection.guest }),
      }),
      signal,
    }),
  );
  await snapshotGuest(guest, work, shape, signal);
  await removeFolder(place.directory);

  // Clones get copies of the disk.
  if (!config.readOnlyRootfs) takeBack(disk);
  const files = (await readdir(work)).sort();
  const manifest: GoldenManifest = {
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

const placeholderBytes = 1 << 20;

/** Makes an empty disk in place of each volume. The guest lets go of them before its snapshot. */
function makePlaceholders(directory: string, config: GoldenShape['config']): Promise<string[]> {
  return Promise.all(
    placeVolumes(config).map(async ({ readOnly }, index) => {
      const path = join(directory, `volume${index}.raw`);
      await writeFile(path, '', { flag: 'wx', mode: 0o600 });
      await truncate(path, placeholderBytes);
      if (readOnly) readableToVmms(path);
      return path;
    }),
  );
}

/** Warms the guest up, brings it to rest, writes its snapshot, and ends the machine. */
async function snapshotGuest(
  { agent, machine }: Guest,
  work: string,
  { plan }: GoldenShape,
  signal: AbortSignal | undefined,
): Promise<void> {
  // Clones then find in memory what their first command needs.
  await agent.warm(plan.template.template.warm, { signal });
  await agent.quiesce({ dropCaches: false, trim: false }, { signal, timeoutMs: quiesceMs });
  // The session ends at a frame boundary: clones need no flush before their first handshake.
  await agent.close();
  // A guest that goes on afterwards must not write to its disk, which is part of the snapshot.
  if (plan.driver.features.liveSnapshot) await machine.pause?.({ signal });
  await machine.snapshot?.(work, { signal });
  await machine.stop();
}
