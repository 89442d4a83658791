import * as z from 'zod';

/** Housekeeping on the wire. Its answers have the names that they have everywhere. */
export { collectedSchema, storageUsageSchema } from '../storage.ts';

export const collectSchema = z.strictObject({
  dry_run: z.boolean().default(false).describe('Removes nothing, and reports what would be removed'),
  all: z.boolean().default(false).describe('Also what somebody might still want'),
});
