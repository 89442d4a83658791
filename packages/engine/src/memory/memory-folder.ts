import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { NovaError, snapshotIdSchema } from '@novasandbox/protocol';
import { contentDigest } from '../artifacts/content-digest.ts';
import type { EngineContext } from '../context.ts';
import { foldersWithDigest } from '../golden/in-use.ts';
import { readGoldenSnapshot } from '../golden/manifest.ts';

/** Name of the memory in the folder of a golden snapshot, as the drivers that share it write it. */
const memoryFile = 'ram';
/** Digest of that memory's content, written beside it when it is first needed. */
const digestFile = 'ram.sha256';

/**
 * The folder of the golden snapshot whose memory has that digest.
 *
 * @param from the name that its folder had when the snapshot was taken
 * @throws NovaError `snapshot_damaged` where the memory is not there as it was
 */
export async function memoryFolder(
  context: Pick<EngineContext, 'layout'>,
  { folder, sha256 }: { readonly folder: string; readonly sha256: string },
  options: DigestOptions = {},
): Promise<string> {
  const paths = await foldersWithDigest(context, folder);
  // A sandbox that was made from a snapshot with all its memory shares that one's.
  if (isSnapshotId(folder)) paths.push(context.layout.snapshot(folder));
  for (const path of paths)
    if ((await memoryDigest(path, options).catch(unlessAborted(options))) === sha256) return path;
  throw new NovaError(
    'snapshot_damaged',
    `The snapshot holds only the memory that differs from that of the golden snapshot ${folder}, which is not here as it was.`,
    { hint: 'Go on from the disk alone: memory: false.' },
  );
}

interface DigestOptions {
  readonly signal?: AbortSignal | undefined;
  /** `whole`: the memory is read in any case. */
  readonly how?: 'whole';
}

/** Digest of the memory in that folder. It is computed once, and again where the files have been touched. */
export async function memoryDigest(folder: string, { signal, how }: DigestOptions = {}): Promise<string> {
  const noted = join(folder, digestFile);
  const isUntouched = (await readGoldenSnapshot(basename(folder), folder)) !== null;
  const known = isUntouched && how === undefined ? await readFile(noted, 'utf8').catch(() => null) : null;
  if (known !== null) return known;
  const digest = await contentDigest(join(folder, memoryFile), signal);
  if (isUntouched) await writeFile(noted, digest, { mode: 0o600 });
  return digest;
}

const isSnapshotId = (name: string): boolean => snapshotIdSchema.safeParse(name).success;

/** A folder whose memory cannot be read does not have it. */
const unlessAborted =
  ({ signal }: DigestOptions) =>
  (error: unknown): null => {
    if (signal?.aborted === true) throw error;
    return null;
  };
