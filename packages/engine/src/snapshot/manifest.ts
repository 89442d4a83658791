import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { architectureSchema, hypervisorNameSchema, NovaError } from '@novasandbox/protocol';
import type { VmmDriver } from '../ports/vmm-driver.ts';

export const manifestFile = 'snapshot.json';
export const diskFile = 'disk.raw';

/** What lies beside a snapshot's memory. */
export const snapshotManifestSchema = z.strictObject({
  version: z.literal(1),
  templateId: z.string(),
  architecture: architectureSchema,
  /** The hypervisor that made it, by everything that decides whether it can be restored (VmmDriver.snapshotKey). */
  madeBy: z.strictObject({ hypervisor: hypervisorNameSchema, key: z.string() }),
  memoryMb: z.int(),
  diskSizeMb: z.int(),
  /** Where the writable disk has data; the rest is a hole. Null: the guest has no writable disk. */
  diskExtents: z
    .array(z.tuple([z.int(), z.int()]).readonly())
    .readonly()
    .nullable(),
  /**
   * Size of each file, when it was last changed in any way (nobody but root can set that), and, for the small ones, what it holds: a snapshot
   * that is not as it was made is made anew instead of being restored.
   */
  files: z.record(
    z.string(),
    z.strictObject({ sizeBytes: z.int(), changedNs: z.string(), sha256: z.string().nullable() }),
  ),
  createdAt: z.string(),
  /** How long it took to make, ms. */
  madeInMs: z.number(),
});
export type SnapshotManifest = z.infer<typeof snapshotManifestSchema>;

export interface TemplateSnapshot {
  readonly digest: string;
  readonly directory: string;
  readonly manifest: SnapshotManifest;
}

/** Files up to this size are hashed whenever a snapshot is used: the device state, some 100 kB. Memory is too large for that. */
const hashedBytes = 1 << 20;

export async function describeFiles(directory: string, names: readonly string[]): Promise<SnapshotManifest['files']> {
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

/** The snapshot if it is there and whole; null otherwise. */
export async function readSnapshot(digest: string, directory: string): Promise<TemplateSnapshot | null> {
  try {
    const manifest = snapshotManifestSchema.parse(JSON.parse(await readFile(join(directory, manifestFile), 'utf8')));
    const found = await describeFiles(directory, Object.keys(manifest.files));
    return isDeepStrictEqual(found, manifest.files) ? { digest, directory, manifest } : null;
  } catch {
    return null;
  }
}

/** Memory and device state are a hypervisor's own: refuses those of another one, or of another version or accelerator of it. */
export async function requireCompatible(
  { architecture, madeBy }: Pick<SnapshotManifest, 'architecture' | 'madeBy'>,
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
