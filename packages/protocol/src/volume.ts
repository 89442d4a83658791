import * as z from 'zod';
import { limits, nameSchema, sandboxIdSchema, sandboxStateSchema, volumeMountSchema } from './sandbox.ts';

/** The most volumes of one sandbox. */
const maxVolumes = 8;

/** Size of a volume in MiB. */
export const volumeSizeSchema = z.int().min(limits.minDiskMb).max(limits.maxDiskMb);
/** Size of a volume that is created without one, in MiB. It takes space on the host only as it is written to. */
const defaultVolumeSizeMb = 1024;

const eachOnce = (values: readonly string[]): boolean => new Set(values).size === values.length;

export const volumeMountsSchema = z
  .array(volumeMountSchema)
  .max(maxVolumes)
  .refine((mounts) => eachOnce(mounts.map(({ name }) => name)), 'names a volume twice')
  .refine((mounts) => eachOnce(mounts.map(({ path }) => path)), 'names a path twice');

/** The properties of a new volume. */
export const newVolumeSchema = z.strictObject({
  /** Unique among the volumes of its owner. */
  name: nameSchema,
  sizeMb: volumeSizeSchema.default(defaultVolumeSizeMb),
});
export type NewVolumeInput = z.input<typeof newVolumeSchema>;

/** A sandbox that was created with the volume. */
export const volumeUseSchema = z.object({
  sandboxId: sandboxIdSchema,
  sandboxName: nameSchema.nullable(),
  state: sandboxStateSchema,
  path: z.string(),
  readOnly: z.boolean(),
  /** Whether the sandbox has it now. A stopped sandbox takes it again when it starts. */
  attached: z.boolean(),
});
export type VolumeUse = z.infer<typeof volumeUseSchema>;

/** A volume: a disk with a name, which outlives the sandboxes that use it. */
export const volumeInfoSchema = z.object({
  id: z.string(),
  name: nameSchema,
  /** Null if the volume belongs to the host itself. */
  owner: z.string().nullable(),
  team: z.string().nullable(),
  sizeMb: z.int(),
  /** Space that it takes on the host. */
  usedMb: z.number(),
  createdAt: z.iso.datetime(),
  usedBy: z.array(volumeUseSchema),
});
export type VolumeInfo = z.infer<typeof volumeInfoSchema>;
