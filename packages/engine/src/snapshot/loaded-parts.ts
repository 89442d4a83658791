import { chmod } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as z from 'zod';
import { NovaError } from '@novasandbox/protocol';
import { hostArchitecture } from '../architecture.ts';
import { publishFrom } from '../artifacts/publish.ts';
import { fileDigest, readJson, writeJson } from '../artifacts/stamp.ts';
import { withLock } from '../artifacts/lock.ts';
import { contentDigest } from '../artifacts/content-digest.ts';
import type { EngineContext } from '../context.ts';
import { retiredName } from '../golden/in-use.ts';
import { describeFiles, manifestFile as goldenManifestFile, type GoldenManifest } from '../golden/manifest.ts';
import { rootImageFiles } from '../images/manifest.ts';
import type { BootedFrom, SnapshotRecord } from '../ports/store.ts';
import { openToVmms, readableToVmms } from '../vmm/image-group.ts';
import { sealSnapshotFiles, takeBack } from '../vmm/ownership.ts';
import type { Manifest } from '../memory/manifest.ts';
import { memoryFolder } from '../memory/memory-folder.ts';

/** Gives the files of a loaded snapshot the owners and modes that one has which was taken here. */
export function sealLoaded(folder: string, { files }: Manifest): void {
  if (files['disk.raw'] !== undefined) takeBack(join(folder, 'disk.raw'));
  const memory = (['ram', 'pages'] as const).filter((name) => files[name] !== undefined);
  if (files.state !== undefined)
    sealSnapshotFiles(folder, { state: 0o400, ...Object.fromEntries(memory.map((name) => [name, 0o440])) });
}

/**
 * Keeps the memory that a loaded snapshot is the difference from, unless the same is here already. It serves as memory
 * for others, not for clones, because its disk has not come along.
 */
export async function keepGolden(
  context: EngineContext,
  folder: string,
  { memoryFrom, madeBy }: Manifest,
  { config, hypervisor, memoryMb, diskSizeMb }: Omit<SnapshotRecord, 'sequence'>,
  signal: AbortSignal | undefined,
): Promise<Manifest['memoryFrom']> {
  if (memoryFrom === null) return null;
  const { sha256 } = memoryFrom;
  const here = await memoryFolder(context, memoryFrom, { signal }).catch(() => null);
  if (here !== null) return { folder: basename(here), sha256 };
  const digest = await contentDigest(join(folder, 'ram'), signal).catch(() => null);
  if (digest !== sha256 || madeBy === null) throw damaged('lacks the memory that it is the difference from');
  sealSnapshotFiles(folder, { ram: 0o440, state: 0o400 });
  const manifest: GoldenManifest = {
    version: 1,
    templateId: config.templateId,
    architecture: config.architecture ?? hostArchitecture().name,
    madeBy: { hypervisor, key: madeBy },
    memoryMb,
    diskSizeMb,
    diskExtents: null,
    files: await describeFiles(folder, ['ram', 'state']),
    createdAt: new Date().toISOString(),
    madeInMs: 0,
  };
  await writeJson(join(folder, goldenManifestFile), manifest);
  const name = retiredName(sha256);
  await publishFrom(folder, context.layout.golden(name));
  return { folder: name, sha256 };
}

const rootManifestSchema = z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** Keeps the root image that came along, unless the same one is here already. */
export async function keepRoot(
  context: EngineContext,
  folder: string,
  { bootedFrom, config, kind }: Pick<SnapshotRecord, 'bootedFrom' | 'config' | 'kind'>,
  signal: AbortSignal | undefined,
): Promise<BootedFrom | null> {
  if (bootedFrom === null || kind === 'disk' || config.rootfsPath !== undefined) return bootedFrom;
  const { images, layout } = context;
  const { root, rootMark } = bootedFrom;
  const same = [root, rootMark].find((digest) => images.rootImageAt(digest)?.sha256 === rootMark);
  if (same !== undefined) return { ...bootedFrom, root: same };
  const manifest = readJson(join(folder, rootImageFiles.manifest), rootManifestSchema);
  const image = join(folder, rootImageFiles.image);
  const digest = await fileDigest(image, signal).catch(() => null);
  if (manifest?.sha256 !== rootMark || digest !== rootMark) throw damaged('lacks the root image that its memory knows');
  await withLock(layout.rootfs('lock'), { signal }, async () => {
    if (images.rootImageAt(rootMark) !== null) return;
    openToVmms(folder);
    readableToVmms(image);
    await chmod(join(folder, rootImageFiles.manifest), 0o600);
    await publishFrom(folder, layout.rootfs(rootMark));
  });
  return { ...bootedFrom, root: rootMark };
}

const damaged = (what: string): NovaError => new NovaError('snapshot_damaged', `The saved snapshot ${what}.`);
