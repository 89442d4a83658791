import * as z from 'zod';
import type * as whole from '../policy/index.ts';

/** The client's `#policy-schemas`: the daemon checks policies, and what it says of its decisions is believed. */
const believed = <T extends z.ZodType>(): T => z.unknown() as unknown as T;

export const policyChoiceSchema = believed<typeof whole.policyChoiceSchema>();
export const networkPolicySchema = believed<typeof whole.networkPolicySchema>();
export const decisionSchema = believed<typeof whole.decisionSchema>();
export const explanationSchema = believed<typeof whole.explanationSchema>();
export const wishSchema = believed<typeof whole.wishSchema>();
export const contactsSchema: typeof whole.contactsSchema = z.object({
  contacts: believed<typeof whole.contactsSchema.shape.contacts>(),
  complete: z.boolean(),
});
export const newPolicyShape: typeof whole.newPolicyShape = { name: believed(), policy: believed() };
export const approvalAnswerShape: typeof whole.approvalAnswerShape = {
  action: believed(),
  scope: believed(),
  forSeconds: believed(),
};
