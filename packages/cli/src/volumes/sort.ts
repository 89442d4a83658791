import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ExtraDriveInput, SandboxConfigInput } from '@novasandbox/protocol';
import type { HostVolume, Volume } from '../args/volume.ts';
import { UsageError } from '../usage-error.ts';

/**
 * Volumes by kind. Guests share no folders with the host, so a folder or file is copied in. A disk image and a volume
 * with a name are attached directly.
 */
export interface SortedVolumes {
  readonly named: NonNullable<SandboxConfigInput['volumes']>;
  readonly drives: readonly ExtraDriveInput[];
  readonly copies: readonly Copied[];
}

export interface Copied extends HostVolume {
  readonly isFolder: boolean;
}

/** @throws UsageError if a path does not exist, or is neither file nor folder */
export async function sortVolumes(volumes: readonly Volume[] = []): Promise<SortedVolumes> {
  const drives: ExtraDriveInput[] = [];
  const copies: Copied[] = [];
  const named: SortedVolumes['named'] = [];
  for (const volume of volumes) {
    if ('name' in volume) {
      named.push({ name: volume.name, path: volume.guestPath, readOnly: volume.readOnly });
      continue;
    }
    const { hostPath, guestPath, readOnly } = volume;
    const found = await stat(hostPath).catch((error: unknown) => {
      throw new UsageError(`--volume: ${hostPath} cannot be read: ${error instanceof Error ? error.message : ''}`);
    });
    if (!found.isDirectory() && !found.isFile())
      throw new UsageError(`--volume: ${hostPath} is neither a folder nor a file.`);
    const fsType = found.isFile() ? await imageTypeOf(hostPath) : null;
    if (fsType === null) copies.push({ ...volume, isFolder: found.isDirectory() });
    else
      drives.push({ path: resolve(hostPath), mountPath: guestPath, fsType, readOnly: readOnly || fsType !== 'ext4' });
  }
  return { named, drives, copies };
}

/** Returns the config with the volumes that are attached: disk images as its last drives, and those with a name. */
export const withVolumes = (config: SandboxConfigInput, { drives, named }: SortedVolumes): SandboxConfigInput => ({
  ...config,
  ...(drives.length === 0 ? {} : { extraDrives: [...(config.extraDrives ?? []), ...drives] }),
  ...(named.length === 0 ? {} : { volumes: named }),
});

async function imageTypeOf(path: string): Promise<ExtraDriveInput['fsType'] | null> {
  const { fileSystemOf } = await import('@novasandbox/engine');
  try {
    return await fileSystemOf(path);
  } catch (error) {
    throw new UsageError(`--volume: ${path} cannot be read: ${error instanceof Error ? error.message : ''}`);
  }
}
