import * as z from 'zod';
import { decisionCodes } from './decision.ts';

/** A destination that a guest wants to reach, as far as it is known without looking anything up. */
export const wishSchema = z.strictObject({
  /** A name or an IPv4 address. */
  host: z.string().min(1).max(254),
  port: z.int().min(1).max(65_535),
  /** Of a request over HTTP, or over TLS where a rule has it read. */
  request: z.strictObject({ method: z.string().min(1).max(32), path: z.string().min(1).max(4096) }).optional(),
  /** Whether the request goes over TLS, where only some rules have it read. Default: it does not. */
  tls: z.boolean().optional(),
});
export type Wish = z.output<typeof wishSchema>;

/** What a policy does with it, and why. */
export const explanationSchema = z.object({
  allowed: z.boolean(),
  code: z.enum(decisionCodes),
  /** The rule that decides; `otherwise`, or `internal`. */
  rule: z.string(),
  /** `name`: the guest gets no address for the name; `connection`: it connects, and is refused then. */
  at: z.enum(['name', 'connection']),
  remedy: z.string().nullable(),
});
export type Explanation = z.infer<typeof explanationSchema>;
