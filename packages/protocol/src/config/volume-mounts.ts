import * as z from 'zod';
import { volumeMountSchema, type VolumeMount } from '../sandbox.ts';
import type { volumeMountsSchema } from '../volume.ts';

const { name, path, readOnly } = volumeMountSchema.shape;
const mount = z.strictObject({ name, path, read_only: readOnly });

/** Volumes of a VM on the wire. */
export const wireVolumesSchema = z.array(mount).max(8);
type WireVolumes = z.output<typeof wireVolumesSchema>;

export const volumesOf = (wire: WireVolumes): VolumeMount[] =>
  wire.map(({ read_only, ...rest }) => ({ ...rest, readOnly: read_only }));

export const wireVolumes = (mounts: z.input<typeof volumeMountsSchema>): z.input<typeof wireVolumesSchema> =>
  mounts.map(({ readOnly: isReadOnly, ...rest }) => ({
    ...rest,
    ...(isReadOnly === undefined ? {} : { read_only: isReadOnly }),
  }));
