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

/** A secret as it is stored: its value is sealed. */
export const storedSecretSchema = z.looseObject({
  name: z.string(),
  placeholder: z.string(),
  /** Null: it was removed, and the guest still knows its placeholder. */
  sealed: z.string().nullable(),
  hosts: z.array(secretHostSchema),
  positions: secretPositionsSchema,
  inject: z.strictObject({ header: z.string(), format: z.string() }).nullable(),
  /** The environment variable with the placeholder. */
  env: z.string().nullable(),
  budget: secretBudgetSchema,
  /** As it was last looked at. */
  used: secretUseSchema,
});
export type StoredSecret = z.infer<typeof storedSecretSchema>;

/** The authority of a sandbox. */
export const storedAuthoritySchema = z.looseObject({
  /** As PEM. */
  certificate: z.string(),
  sealedKey: z.string(),
});
export type StoredAuthority = z.infer<typeof storedAuthoritySchema>;
