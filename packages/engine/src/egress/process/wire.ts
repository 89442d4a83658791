import { networkPolicySchema, pinnedNamesSchema } from '@novasandbox/protocol/policy';
import * as z from 'zod';

/** The messages of the control socket: HTTP, one request a connection, with JSON. */
export const sandboxNameSchema = z.string().regex(/^[a-z0-9]{1,64}$/);
const portSchema = z.int().min(1).max(65_535);
/** A sandbox has one at most today. */
const mostForwards = 64;
export const serveRequestSchema = z.strictObject({
  slot: z.union([
    z.int().min(1).max(8192),
    z.strictObject({
      process: z.int().min(1),
      forwards: z.array(z.strictObject({ hostPort: portSchema, guestPort: portSchema })).max(mostForwards),
    }),
  ]),
  policy: networkPolicySchema,
  names: pinnedNamesSchema,
});
export const failureSchema = z.object({ code: z.string(), message: z.string(), hint: z.string() });
export const servedSchema = z.object({ sandboxes: z.array(z.string()) });

/** The descriptor on which the process says that it is ready, or why it is not. */
export const startedDescriptor = 3;
/** The line that it writes there before it closes it. */
export const startedSchema = z.union([z.object({ ready: z.literal(true) }), z.object({ error: failureSchema })]);

/** A policy with all its rules and paths, or all names, is shorter. */
export const longestBody = 16 << 20;
