import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readJson } from '../images/stamp.ts';
import type { Layout } from '../layout.ts';
import { manifestFile } from '../snapshot/manifest.ts';

const ownerSchema = z.object({ templateId: z.string() });

/** Digests of the snapshots that were made of a template, whatever their shape and whether they can still be used. */
export async function snapshotsOf(layout: Layout, templateId: string): Promise<string[]> {
  const digests = await readdir(layout.snapshots).catch(() => []);
  return digests.filter(
    (digest) => readJson(join(layout.snapshots, digest, manifestFile), ownerSchema)?.templateId === templateId,
  );
}
