import * as z from 'zod';
import { queryBoolean } from './query.ts';
import { decisionSchema, policyChoiceSchema } from '#policy-schemas';
import { secretInfoSchema, secretSettingsSchema } from '#secret-schemas';

/** What a VM may reach. The policy is the same document in every interface. */
export const vmPolicySchema = z.strictObject({
  policy: policyChoiceSchema.describe('none, all, the name of a policy, or a policy itself'),
});

export const decisionQuerySchema = z.strictObject({
  denied: queryBoolean.default(false).describe('Denials alone'),
});

/** Secrets that a VM uses without having them, by their names. */
export const secretListSchema = z.object({ secrets: z.array(secretInfoSchema) });
export const secretBodySchema = secretSettingsSchema;
export const secretResponseSchema = secretInfoSchema;

export const decisionListSchema = z.object({ decisions: z.array(decisionSchema) });
