import * as z from 'zod';
import { isolationSchema, newNetworkSchema, type NetworkInfo } from '../network.ts';
import { sandboxStateSchema } from '../sandbox.ts';
import { inCamelCase } from './names.ts';

/** Private networks on the wire. */

export const networkSchema = z.object({
  id: z.string(),
  name: z.string(),
  owner: z.string().nullable(),
  team: z.string().nullable(),
  subnet: z.string(),
  isolation: isolationSchema,
  bridge_name: z.string(),
  created_at: z.iso.datetime(),
  members: z.array(
    z.object({
      vm_id: z.string(),
      vm_name: z.string().nullable(),
      status: sandboxStateSchema,
      address: z.string().describe('Its own until the VM is removed, also while it is stopped'),
    }),
  ),
});
export type NetworkWire = z.infer<typeof networkSchema>;

export const networkListSchema = z.object({ networks: z.array(networkSchema) });
export const createNetworkSchema = z.strictObject({
  name: newNetworkSchema.shape.name,
  subnet: newNetworkSchema.shape.subnet.describe('A private range of its own; default: a free /24 within 10.128.0.0/9'),
  isolation: newNetworkSchema.shape.isolation.describe(
    'What members may send each other: everything, pings alone (moderate), nothing (strict)',
  ),
  bridge_name: newNetworkSchema.shape.bridge.describe('Of the bridge, in a network namespace of its own'),
});
export const changeNetworkSchema = z.strictObject({ isolation: isolationSchema });

export const networkWireOf = ({ bridge: bridge_name, createdAt: created_at, members, ...same }: NetworkInfo) => ({
  ...same,
  bridge_name,
  created_at,
  members: members.map(({ sandboxId, sandboxName, state, address }) => ({
    vm_id: sandboxId,
    vm_name: sandboxName,
    status: state,
    address,
  })),
});

export function networkOfWire({ members: told, ...wire }: NetworkWire): NetworkInfo {
  const { bridgeName, ...same } = inCamelCase(wire);
  const members = told.map(({ vm_id, vm_name, status, address }) => ({
    sandboxId: vm_id,
    sandboxName: vm_name,
    state: status,
    address,
  }));
  return { ...same, bridge: bridgeName, members };
}
