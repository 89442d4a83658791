import * as z from 'zod';
import { configShape } from '../config/schema.ts';

const { hostPort, guestPort } = configShape;

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

/** A port of the host's loopback that is forwarded to a port of a guest. */
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

export const createPreviewSchema = z.strictObject({
  port: guestPort.unwrap(),
  expires_in_seconds: z
    .int()
    .min(1)
    .max(30 * 86_400)
    .default(3600),
  rewrite_host: z
    .boolean()
    .default(true)
    .describe('The guest gets localhost:<port> as Host, and as Origin of its own pages, as dev servers expect'),
});

/** An address under which whoever has it reaches one port of a VM, until it expires or is revoked. */
export const previewSchema = z.object({
  id: z.string(),
  port: z.int(),
  rewrite_host: z.boolean(),
  expires_at: z.iso.datetime(),
});
export type Preview = z.infer<typeof previewSchema>;
export const previewListSchema = z.object({ previews: z.array(previewSchema) });
/** The token is told only here. */
export const createdPreviewSchema = previewSchema.extend({
  url: z.string().describe('With the token in its query, which the first visit exchanges for a cookie'),
  token: z.string().describe('For programs: the header Nova-Preview-Token'),
});

export const vmNetworkSchema = z.object({
  enabled: z.boolean(),
  rx_bytes: z.number().nullable().describe('Since its start, as last measured'),
  tx_bytes: z.number().nullable(),
  forwards: z.array(forwardSchema),
});
