import { basename } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { hostArchitecture } from '../architecture.ts';
import type { EngineContext } from '../context.ts';
import type { RootImage } from '../ports/image-source.ts';
import type { BootedFrom, SnapshotRecord } from '../ports/store.ts';
import type { SnapshotFiles, VmmDriver } from '../ports/vmm-driver.ts';
import { problemsOf, readManifest, type Manifest } from './manifest.ts';
import { memoryDigest, memoryFolder } from './memory-folder.ts';
import { rootOfMemory } from './root.ts';

/** The memory of a guest that ran, from which another can go on. */
export interface KeptMemory {
  readonly files: SnapshotFiles;
  readonly root: RootImage;
  readonly bootedFrom: BootedFrom;
}

/** A guest whose memory is kept. */
export type Kept = Pick<SnapshotRecord, 'id' | 'config' | 'bootedFrom'>;

/** The part of a manifest that is about memory: the hypervisor that wrote it, and where the rest of it is. */
export async function originOf(
  driver: VmmDriver,
  { config }: Pick<Kept, 'config'>,
  { memoryFrom }: SnapshotFiles,
  signal: AbortSignal | undefined,
): Promise<Pick<Manifest, 'madeBy' | 'memoryFrom'>> {
  const madeBy = await keyOf(driver, config);
  if (memoryFrom === undefined) return { madeBy, memoryFrom: null };
  return { madeBy, memoryFrom: { folder: basename(memoryFrom), sha256: await memoryDigest(memoryFrom, { signal }) } };
}

/**
 * The memory that is kept in `folder`, once it is known that it can be restored here.
 *
 * @throws NovaError `snapshot_damaged`, `snapshot_incompatible`
 */
export async function openKeptMemory(
  context: Pick<EngineContext, 'layout' | 'images'>,
  driver: VmmDriver,
  kept: Kept,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<KeptMemory> {
  const { madeBy, memoryFrom } = await requireWhole(folder, kept.id, signal);
  const key = await keyOf(driver, kept.config);
  if (madeBy !== key)
    throw new NovaError(
      'snapshot_incompatible',
      `The memory of ${kept.id} was written by another ${driver.name} (${madeBy ?? 'unknown'}) than the one here (${key}).`,
      { hint: 'Go on from the disk alone: memory: false.', details: { madeBy, restoredBy: key } },
    );
  const { root, bootedFrom } = rootOfMemory(context, kept);
  const from = memoryFrom === null ? {} : { memoryFrom: await memoryFolder(context, memoryFrom, { signal }) };
  return { files: { directory: folder, ...from }, root, bootedFrom };
}

/** @throws NovaError `snapshot_damaged` where the files in the folder are not those that were written */
export async function requireWhole(folder: string, id: string, signal?: AbortSignal): Promise<Manifest> {
  const manifest = await readManifest(folder);
  const problems = await problemsOf(folder, manifest, 'quick', signal);
  if (problems.length === 0) return manifest;
  throw new NovaError('snapshot_damaged', `The snapshot ${id} is damaged: ${problems.join('; ')}.`, {
    details: { problems },
  });
}

const keyOf = (driver: VmmDriver, { architecture }: Kept['config']): Promise<string> =>
  driver.snapshotKey(architecture ?? hostArchitecture().name);
