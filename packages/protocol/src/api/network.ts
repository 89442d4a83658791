import * as z from 'zod';
import { sandboxConfigSchema } from '../sandbox.ts';

const { hostPort, guestPort } = sandboxConfigSchema.shape;

export const interfaceListSchema = z.object({
  interfaces: z.array(
    z.object({
      name: z.string(),
      mac: z.string(),
      loopback: z.boolean(),
      addresses: z.array(z.string()).describe('With their prefix, such as 192.0.2.1/24'),
    }),
  ),
});

export const createForwardSchema = z.strictObject({
  guest_port: guestPort.unwrap(),
  host_port: hostPort.describe('On 127.0.0.1 of the host; any free one where it is left out'),
  protocol: z.enum(['tcp', 'udp']).default('tcp'),
});
export type CreateForward = z.output<typeof createForwardSchema>;

/** A port of the host's loopback that leads to a port of a guest. */
export const forwardSchema = z.object({
  id: z.string(),
  protocol: z.enum(['tcp', 'udp']),
  host_address: z.string(),
  host_port: z.int(),
  guest_port: z.int(),
  made_with_vm: z.boolean().describe('The host_port of its config, which lasts as long as the VM runs'),
  listening: z
    .boolean()
    .describe('false: the VM does not run, or the port of the host was taken when the daemon started'),
});
export type Forward = z.infer<typeof forwardSchema>;
export const forwardListSchema = z.object({ forwards: z.array(forwardSchema) });

export const vmNetworkSchema = z.object({
  enabled: z.boolean(),
  rx_bytes: z.number().nullable().describe('Since its start, as last measured'),
  tx_bytes: z.number().nullable(),
  forwards: z.array(forwardSchema),
});
