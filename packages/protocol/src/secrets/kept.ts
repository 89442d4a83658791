import * as z from 'zod';
import { secretBudgetSchema, secretHostSchema, secretPositionsSchema } from './secret.ts';

/** What a secret was used for so far. */
export const secretUseSchema = z.strictObject({ requests: z.int().min(0), bytes: z.int().min(0) });
export type SecretUse = z.infer<typeof secretUseSchema>;

/** A secret as the egress process gets it. */
export const servedSecretSchema = z.strictObject({
  name: z.string(),
  placeholder: z.string(),
  /** Null: it was removed, and the guest still knows its placeholder. */
  value: z.string().nullable(),
  hosts: z.array(secretHostSchema),
  positions: secretPositionsSchema,
  inject: z.strictObject({ header: z.string(), format: z.string() }).nullable(),
  budget: secretBudgetSchema,
  used: secretUseSchema,
});
export type ServedSecret = z.infer<typeof servedSecretSchema>;
