import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchitectureName } from '@novasandbox/protocol';
import * as z from 'zod';
import { readJson } from '../artifacts/stamp.ts';
import type { Layout } from '../layout.ts';
import { manifestFile } from './manifest.ts';

const ownerSchema = z.object({ templateId: z.string(), architecture: z.string().optional() });

/**
 * Digests of the golden snapshots of a template, whatever their shape and whether they can still be used.
 *
 * @param only those for guests of that processor; default: all
 */
export async function goldenSnapshotsOf(
  layout: Layout,
  templateId: string,
  only?: ArchitectureName,
): Promise<string[]> {
  const digests = await readdir(layout.goldenSnapshots).catch(() => []);
  return digests.filter((digest) => {
    const owner = readJson(join(layout.goldenSnapshots, digest, manifestFile), ownerSchema);
    return owner?.templateId === templateId && (only === undefined || owner.architecture === only);
  });
}
