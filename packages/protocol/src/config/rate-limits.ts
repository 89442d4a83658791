import * as z from 'zod';
import { rateLimitSchema, type RateLimits } from '../sandbox.ts';

const limit = z.strictObject({
  bytes_per_second: rateLimitSchema.shape.bytesPerSecond,
  operations_per_second: rateLimitSchema.shape.operationsPerSecond,
});

/** Rate limits of a VM on the wire. */
export const rateLimitsSchema = z.strictObject({ disk: limit.optional(), network: limit.optional() });
type WireRateLimits = z.infer<typeof rateLimitsSchema>;

export const rateLimitsOf = ({ disk, network }: WireRateLimits): RateLimits => ({
  ...(disk === undefined ? {} : { disk: ofWire(disk) }),
  ...(network === undefined ? {} : { network: ofWire(network) }),
});

export const wireRateLimits = ({ disk, network }: RateLimits): WireRateLimits => ({
  ...(disk === undefined ? {} : { disk: toWire(disk) }),
  ...(network === undefined ? {} : { network: toWire(network) }),
});

const ofWire = (wire: z.infer<typeof limit>) => ({
  bytesPerSecond: wire.bytes_per_second,
  operationsPerSecond: wire.operations_per_second,
});

const toWire = (given: NonNullable<RateLimits['disk']>): z.infer<typeof limit> => ({
  bytes_per_second: given.bytesPerSecond,
  operations_per_second: given.operationsPerSecond,
});
