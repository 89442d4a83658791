import { z } from 'zod';

/** Where a part lies in a mirror, and the file beside its files that tells what they are. */
export const partFolder = (kind: string, address: string): string => `novasandbox/${kind}/${address}`;
export const partManifest = 'manifest.json';

const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** The address says what a part was built from; the manifest, what came of it. */
export const partManifestSchema = z.strictObject({
  version: z.literal(1),
  kind: z.enum(['agent', 'confine', 'kernel']),
  address: digest,
  files: z
    .array(z.strictObject({ name: z.string(), bytes: z.int().positive(), sha256: digest }))
    .min(1)
    .max(8),
  kernel: z.strictObject({ digest, release: z.string().min(1).max(128) }).nullable(),
});
export type PartManifest = z.infer<typeof partManifestSchema>;
