import * as z from 'zod';

/** Longer ones would be a policy. */
const longestSeconds = 30 * 86_400;

export const approvalAnswerShape = {
  action: z.enum(['allow', 'deny']),
  /**
   * `once`: for one connection or request, also for one that comes later. `session`: for the sandbox, as long as it
   * exists. `always`: as a rule of the policy, also for all others that have the policy.
   */
  scope: z.enum(['once', 'session', 'always']).default('once'),
  /** How long the answer holds, s. Absent: ten minutes for `once`, else without an end. Not with `always`. */
  forSeconds: z.number().min(1).max(longestSeconds).optional(),
};

/** Answers a question about a connection (`otherwise: 'ask'`). */
export const approvalAnswerSchema = z.strictObject(approvalAnswerShape);
export type ApprovalAnswerInput = z.input<typeof approvalAnswerSchema>;
export type ApprovalAnswer = z.output<typeof approvalAnswerSchema>;

/** The name and the port that a connection was held for, with the answer. */
export const approvalSchema = z.object({
  id: z.string(),
  sandboxId: z.string(),
  /** Null: it goes to an address without a name. */
  host: z.string().nullable(),
  address: z.string().nullable(),
  port: z.int(),
  askedAt: z.iso.datetime(),
  /** Null: nobody has answered. */
  answer: z.enum(['allow', 'deny']).nullable(),
  scope: z.enum(['once', 'session', 'always']).nullable(),
  /** The end of the answer; null where it has none, or there is no answer. */
  expiresAt: z.iso.datetime().nullable(),
});
export type Approval = z.infer<typeof approvalSchema>;
