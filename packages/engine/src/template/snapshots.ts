import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchitectureName } from '@novasandbox/protocol';
import * as z from 'zod';
import { readJson } from '../images/stamp.ts';
import type { Layout } from '../layout.ts';
import { manifestFile } from '../snapshot/manifest.ts';

const ownerSchema = z.object({ templateId: z.string(), architecture: z.string().optional() });

/** Digests of the snapshots that were made of a template, whatever their shape and whether they can still be used; `only` for guests of one processor. */
export async function snapshotsOf(layout: Layout, templateId: string, only?: ArchitectureName): Promise<string[]> {
  const digests = await readdir(layout.snapshots).catch(() => []);
  return digests.filter((digest) => {
    const owner = readJson(join(layout.snapshots, digest, manifestFile), ownerSchema);
    return owner?.templateId === templateId && (only === undefined || owner.architecture === only);
  });
}
