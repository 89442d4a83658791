import * as z from 'zod';
import { networkPolicySchema } from './policy.ts';

/** A destination that a sandbox was let through to. */
export const contactSchema = z.object({
  /** Null: it was connected to by its address. */
  host: z.string().nullable(),
  address: z.string().nullable(),
  port: z.int(),
  /** Of its requests over plain HTTP; empty for everything else, and where there were too many to keep. */
  requests: z.array(z.object({ method: z.string(), path: z.string() })),
});
export type Contact = z.infer<typeof contactSchema>;

/** The contacts of a sandbox since it runs under a policy. */
export const contactsSchema = z.object({
  contacts: z.array(contactSchema),
  /** false: there were more than are kept. */
  complete: z.boolean(),
});
export type Contacts = z.infer<typeof contactsSchema>;

/** The smallest policy that allows all contacts of a sandbox. */
export const learnedPolicySchema = contactsSchema.extend({ policy: networkPolicySchema });
export type LearnedPolicy = z.infer<typeof learnedPolicySchema>;
