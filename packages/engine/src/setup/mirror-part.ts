import { z } from 'zod';

/** Where a part is in a mirror, and the name of the manifest beside its files. */
export const partFolder = (kind: string, address: string): string => `novasandbox/${kind}/${address}`;
export const partManifest = 'manifest.json';

const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** The address identifies what a part was built from; the manifest describes the result. */
export const partManifestSchema = z.strictObject({
  version: z.literal(1),
  kind: z.enum(['agent', 'confine', 'listen', 'kernel']),
  address: digest,
  files: z
    .array(z.strictObject({ name: z.string(), bytes: z.int().positive(), sha256: digest }))
    .min(1)
    .max(8),
  kernel: z.strictObject({ digest, release: z.string().min(1).max(128) }).nullable(),
});
export type PartManifest = z.infer<typeof partManifestSchema>;
