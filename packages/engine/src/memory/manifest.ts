import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { NovaError } from '@novasandbox/protocol';
import { contentDigest } from '../artifacts/content-digest.ts';
import { writeJson } from '../artifacts/stamp.ts';

/** Name of the manifest in a snapshot's folder. It is written last. */
const manifestFile = 'manifest.json';

const digestSchema = z.string().regex(/^[0-9a-f]{64}$/);

const fileSchema = z.strictObject({
  sizeBytes: z.int().min(0),
  /** `contentDigest` of the file. */
  sha256: digestSchema,
  /**
   * When it was last changed in any way, ns since 1970, which nobody but root can set. A file with another time is read
   * and compared before it is used.
   */
  changedNs: z.string().regex(/^[0-9]+$/),
});

/** The manifest in a snapshot's folder, from which its record can be made again. */
export const manifestSchema = z.strictObject({
  version: z.literal(1),
  /** The record, without what the store gives it. */
  record: z.looseObject({ id: z.string() }),
  /** The hypervisor that wrote the memory (VmmDriver.snapshotKey). Null: there is a disk alone. */
  madeBy: z.string().nullable(),
  /**
   * The golden snapshot that holds the pages which are missing here, by the name of its folder, and the digest of its
   * memory's content. Null: nothing is missing.
   */
  memoryFrom: z.strictObject({ folder: z.string(), sha256: digestSchema }).nullable(),
  files: z.partialRecord(z.enum(['ram', 'pages', 'state', 'channels', 'disk.raw']), fileSchema),
});
export type Manifest = z.infer<typeof manifestSchema>;

type FileName = keyof Manifest['files'];
const fileNames = ['ram', 'pages', 'state', 'channels', 'disk.raw'] as const satisfies readonly FileName[];

/** Reads the files in the folder and writes its manifest. */
export async function writeManifest(
  folder: string,
  record: { readonly id: string } & Readonly<Record<string, unknown>>,
  { madeBy, memoryFrom }: Pick<Manifest, 'madeBy' | 'memoryFrom'>,
  signal?: AbortSignal,
): Promise<Manifest> {
  const there = new Set(await readdir(folder));
  const described = await Promise.all(
    fileNames
      .filter((name) => there.has(name))
      .map(async (name) => {
        const path = join(folder, name);
        return [name, { ...(await marksOf(path)), sha256: await contentDigest(path, signal) }] as const;
      }),
  );
  const files = Object.fromEntries(described);
  const manifest: Manifest = { version: 1, record: { ...record }, madeBy, memoryFrom, files };
  await writeJson(join(folder, manifestFile), manifest);
  return manifest;
}

/** @throws NovaError `snapshot_damaged` */
export async function readManifest(folder: string): Promise<Manifest> {
  try {
    return manifestSchema.parse(JSON.parse(await readFile(join(folder, manifestFile), 'utf8')));
  } catch (error) {
    throw new NovaError('snapshot_damaged', `The snapshot in ${folder} has no manifest that can be read.`, {
      cause: error,
    });
  }
}

/**
 * Compares the files of a snapshot with its manifest; returns what is wrong.
 * @param how `quick`: a file that nobody has touched since is not read
 */
export async function problemsOf(
  folder: string,
  manifest: Manifest,
  how: 'quick' | 'whole',
  signal?: AbortSignal,
): Promise<string[]> {
  const problems = fileNames.map(async (name) => {
    const wanted = manifest.files[name];
    if (wanted === undefined) return [];
    const path = join(folder, name);
    const found = await marksOf(path).catch(() => null);
    if (found === null) return [`${name} is missing`];
    if (found.sizeBytes !== wanted.sizeBytes) return [`${name} has ${found.sizeBytes} bytes, not ${wanted.sizeBytes}`];
    if (how === 'quick' && found.changedNs === wanted.changedNs) return [];
    return (await contentDigest(path, signal)) === wanted.sha256 ? [] : [`${name} has other content than it had`];
  });
  return (await Promise.all(problems)).flat();
}

async function marksOf(path: string): Promise<{ readonly sizeBytes: number; readonly changedNs: string }> {
  const { size, ctimeNs } = await stat(path, { bigint: true });
  return { sizeBytes: Number(size), changedNs: String(ctimeNs) };
}

/** Space that the files take on the disk, bytes. */
export async function allocatedBytes(folder: string, names: readonly FileName[]): Promise<number> {
  const sizes = names.map(async (name) => ((await stat(join(folder, name)).catch(() => null))?.blocks ?? 0) * 512);
  return (await Promise.all(sizes)).reduce((total, bytes) => total + bytes, 0);
}
