import { join } from 'node:path';
import * as z from 'zod';
import type { Layout } from '../layout.ts';
import { readJson } from './stamp.ts';

/** Names in the folder of a root image. */
export const rootImageFiles = { image: 'rootfs.ext4', manifest: 'manifest.json', log: 'build.log' } as const;

/** What is written beside a root image once it is whole. */
export const manifestSchema = z.object({
  template: z.string(),
  builtAt: z.string(),
  sizeBytes: z.number(),
  /** Of the image's content. */
  sha256: z.string(),
  packages: z.record(z.string(), z.string()),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** What a root image consists of; null where it is not there. */
export function rootImageManifest(layout: Layout, digest: string): Manifest | null {
  return readJson(join(layout.rootfs(digest), rootImageFiles.manifest), manifestSchema);
}
