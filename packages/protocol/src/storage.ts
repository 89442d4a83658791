import * as z from 'zod';

/** Kinds of things in the state folder. `other` is what belongs to none of the others, such as installed VMMs. */
export const storageKinds = [
  'root-image',
  'oci-image',
  'kernel',
  'initramfs',
  'program',
  'golden-snapshot',
  'snapshot',
  'sandbox',
  'volume',
  'half-made',
  'probe',
  'database',
  'quarantine',
  'replaced',
  'other',
] as const;
const storageKindSchema = z.enum(storageKinds);
export type StorageKind = z.infer<typeof storageKindSchema>;

/** Space, in bytes, is what files take on the disk: holes in them take none. */
const bytes = z.int().min(0);

/** A file or folder in the state folder. */
export const storedThingSchema = z.object({
  kind: storageKindSchema,
  /** Its path below the state folder. */
  name: z.string(),
  bytes,
  /** Why nobody needs it; null: it is needed. */
  reason: z.string().nullable(),
});
export type StoredThing = z.infer<typeof storedThingSchema>;

/** The things of one kind. */
const storageOfKindSchema = z.object({
  kind: storageKindSchema,
  count: z.int(),
  bytes,
  /** Bytes that `collect` gives back. */
  reclaimable: bytes,
});

/** The space that NovaSandbox takes. */
export const storageUsageSchema = z.object({
  /** The state folder. */
  folder: z.string(),
  /** The file system that the state folder lies on. */
  total: bytes,
  free: bytes,
  /** All of the state folder; the kinds add up to it. */
  used: bytes,
  reclaimable: bytes,
  kinds: z.array(storageOfKindSchema),
  /** The largest things, the largest first. */
  largest: z.array(storedThingSchema),
  /** Things that are missing or damaged. */
  problems: z.array(z.string()),
  /** false: there are more files than are looked at, so that the sizes are too small. */
  complete: z.boolean(),
});
export type StorageUsage = z.infer<typeof storageUsageSchema>;

/** The things that `collect` has removed, or would remove. */
export const collectedSchema = z.object({
  removed: z.array(storedThingSchema),
  /** Space that is given back. */
  freed: bytes,
  /** Things that nobody needs and that are there still, with the reason. */
  kept: z.array(storedThingSchema),
  /** Ids of snapshots that were missing in the store and are known again. */
  adopted: z.array(z.string()),
  problems: z.array(z.string()),
});
export type Collected = z.infer<typeof collectedSchema>;
