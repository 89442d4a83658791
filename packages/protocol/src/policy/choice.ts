import * as z from 'zod';
import { builtInPolicies, networkPolicySchema, type NetworkPolicy } from './policy.ts';
import { NovaError } from '../errors.ts';

/** The name of a policy. Those of `builtInPolicies` exist. */
const policyNameSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'must be of lower-case letters, digits and hyphens, at most 63');

/** The policy of a sandbox, as its config has it: the name of a policy, or the policy itself. */
export const policyChoiceSchema = z.union([policyNameSchema, networkPolicySchema]);
export type PolicyChoice = z.output<typeof policyChoiceSchema>;
export type PolicyChoiceInput = z.input<typeof policyChoiceSchema>;

export const isBuiltInPolicy = (name: string): name is keyof typeof builtInPolicies =>
  Object.hasOwn(builtInPolicies, name);

/**
 * The policy that the egress process is to enforce for that choice. Null: `all`, for which the guest needs no proxy.
 * @throws NovaError `not_found` for any other name
 */
export function governingPolicy(choice: PolicyChoice | undefined): NetworkPolicy | null {
  if (choice === undefined || choice === 'all') return null;
  if (typeof choice !== 'string') return choice;
  if (isBuiltInPolicy(choice)) return builtInPolicies[choice];
  throw new NovaError('not_found', `There is no network policy ${choice}.`, {
    hint: 'The names are none and all; for anything else give the policy itself, such as --allow HOST or a JSON file.',
  });
}

/** Whether a choice lets a guest reach addresses by themselves, which may be those of a private network. */
export const allowsAddresses = (choice: unknown): boolean => {
  const { success, data } = policyChoiceSchema.safeParse(choice);
  return (
    success &&
    typeof data !== 'string' &&
    data.rules.some(({ action, cidr }) => action === 'allow' && cidr !== undefined)
  );
};
