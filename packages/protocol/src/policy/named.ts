import * as z from 'zod';
import { newPolicyNameSchema } from './choice.ts';
import { networkPolicySchema, type NetworkPolicy } from './policy.ts';

export const newPolicyShape = {
  /** Unique among the policies of its owner; `none` and `all` exist by themselves. */
  name: newPolicyNameSchema,
  policy: networkPolicySchema,
};
/** A policy that is to be kept under a name. */
export const newPolicySchema = z.strictObject(newPolicyShape);
export type NewPolicyInput = z.input<typeof newPolicySchema>;

/** The most policies of one owner. */
export const maxNamedPolicies = 256;

/** A policy with a name. Its changes reach all sandboxes that name it. */
export interface PolicyInfo {
  readonly id: string;
  readonly name: string;
  /** Null if it belongs to the host itself: then the sandboxes of everybody may name it. */
  readonly owner: string | null;
  readonly team: string | null;
  readonly policy: NetworkPolicy;
  readonly createdAt: string;
  readonly changedAt: string;
  /** The ids of the sandboxes that name it, also of those that do not run. */
  readonly usedBy: readonly string[];
}
