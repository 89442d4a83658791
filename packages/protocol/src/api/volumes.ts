import * as z from 'zod';
import { sandboxStateSchema } from '../sandbox.ts';
import { inCamelCase } from './names.ts';
import { queryBoolean } from './query.ts';
import { newVolumeSchema, volumeSizeSchema, type VolumeInfo } from '../volume.ts';

/** Volumes on the wire. */

export const volumeSchema = z.object({
  id: z.string(),
  name: z.string(),
  owner: z.string().nullable(),
  team: z.string().nullable(),
  size_mb: z.int(),
  used_mb: z.number().describe('Space that it takes on the host'),
  created_at: z.iso.datetime(),
  used_by: z.array(
    z.object({
      vm_id: z.string(),
      vm_name: z.string().nullable(),
      status: sandboxStateSchema,
      path: z.string(),
      read_only: z.boolean(),
      attached: z.boolean().describe('Whether the VM has it now; a stopped VM takes it again when it starts'),
    }),
  ),
});
export type VolumeWire = z.infer<typeof volumeSchema>;

export const volumeListSchema = z.object({ volumes: z.array(volumeSchema) });
export const createVolumeSchema = z.strictObject({
  name: newVolumeSchema.shape.name,
  size_mb: newVolumeSchema.shape.sizeMb,
});
export const resizeVolumeSchema = z.strictObject({ size_mb: volumeSizeSchema });
export const deleteVolumeQuerySchema = z.object({
  force: queryBoolean.default(false).describe('Also where a stopped VM would miss it when it starts'),
});

export const volumeWireOf = (info: VolumeInfo): VolumeWire => ({
  id: info.id,
  name: info.name,
  owner: info.owner,
  team: info.team,
  size_mb: info.sizeMb,
  used_mb: info.usedMb,
  created_at: info.createdAt,
  used_by: info.usedBy.map((use) => ({
    vm_id: use.sandboxId,
    vm_name: use.sandboxName,
    status: use.state,
    path: use.path,
    read_only: use.readOnly,
    attached: use.attached,
  })),
});

export function volumeOfWire(wire: VolumeWire): VolumeInfo {
  const usedBy = wire.used_by.map((use) => {
    const { vmId: sandboxId, vmName: sandboxName, status: state, ...same } = inCamelCase(use);
    return { ...same, sandboxId, sandboxName, state };
  });
  return { ...inCamelCase(wire), usedBy };
}
