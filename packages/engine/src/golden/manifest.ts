import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { architectureSchema, hypervisorNameSchema, NovaError } from '@novasandbox/protocol';
import type { VmmDriver } from '../ports/vmm-driver.ts';

export const manifestFile = 'snapshot.json';
export const diskFile = 'disk.raw';

/** The manifest that is written beside the memory of a golden snapshot once it is complete. */
export const goldenManifestSchema = z.strictObject({
  version: z.literal(1),
  templateId: z.string(),
  architecture: architectureSchema,
  /** The hypervisor that made it, by everything that decides whether it can be restored (VmmDriver.snapshotKey). */
  madeBy: z.strictObject({ hypervisor: hypervisorNameSchema, key: z.string() }),
  memoryMb: z.int(),
  diskSizeMb: z.int(),
  /** The ranges of the writable disk that hold data; the rest is a hole. Null: the guest has no writable disk. */
  diskExtents: z
    .array(z.tuple([z.int(), z.int()]).readonly())
    .readonly()
    .nullable(),
  /**
   * Size of each file, when it was last changed in any way (nobody but root can set that), and the digest of each small
   * one. A snapshot that differs from this is made anew instead of being restored.
   */
  files: z.record(
    z.string(),
    z.strictObject({ sizeBytes: z.int(), changedNs: z.string(), sha256: z.string().nullable() }),
  ),
  createdAt: z.string(),
  /** How long it took to make, ms. */
  madeInMs: z.number(),
});
export type GoldenManifest = z.infer<typeof goldenManifestSchema>;

export interface GoldenSnapshot {
  readonly digest: string;
  readonly directory: string;
  readonly manifest: GoldenManifest;
}

/**
 * Files up to this size are hashed whenever a snapshot is used: the device state, some 100 kB. Memory is too large for
 * that.
 */
const hashedBytes = 1 << 20;

export async function describeFiles(directory: string, names: readonly string[]): Promise<GoldenManifest['files']> {
  const described = names.map(async (name) => {
    const path = join(directory, name);
    const { size: bytes, ctimeNs } = await stat(path, { bigint: true });
    const size = Number(bytes);
    const sha256 =
      size > hashedBytes
        ? null
        : createHash('sha256')
            .update(await readFile(path))
            .digest('hex');
    return [name, { sizeBytes: size, changedNs: String(ctimeNs), sha256 }] as const;
  });
  return Object.fromEntries(await Promise.all(described));
}

/** The golden snapshot, or null where it is missing or damaged. */
export async function readGoldenSnapshot(digest: string, directory: string): Promise<GoldenSnapshot | null> {
  try {
    const manifest = goldenManifestSchema.parse(JSON.parse(await readFile(join(directory, manifestFile), 'utf8')));
    const actual = await describeFiles(directory, Object.keys(manifest.files));
    return isDeepStrictEqual(actual, manifest.files) ? { digest, directory, manifest } : null;
  } catch {
    return null;
  }
}

/**
 * Refuses memory and device state that another hypervisor has written, or another version or accelerator of this one.
 *
 * @throws NovaError `snapshot_incompatible`
 */
export async function requireCompatible(
  { architecture, madeBy }: Pick<GoldenManifest, 'architecture' | 'madeBy'>,
  driver: Pick<VmmDriver, 'name' | 'snapshotKey'>,
): Promise<void> {
  const key = await driver.snapshotKey(architecture);
  if (madeBy.hypervisor === driver.name && madeBy.key === key) return;
  const whose = madeBy.hypervisor === driver.name ? `another ${driver.name} (${madeBy.key})` : madeBy.hypervisor;
  throw new NovaError(
    'snapshot_incompatible',
    `The snapshot holds the memory and devices of ${whose}, which ${driver.name} (${key}) cannot take over.`,
    { details: { madeBy, restoredBy: { hypervisor: driver.name, key } } },
  );
}
