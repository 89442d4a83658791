import * as z from 'zod';
import { builtInPolicies, networkPolicySchema, type NetworkPolicy } from './policy.ts';
import { NovaError } from '../errors.ts';

const nameRule = 'must be of lower-case letters, digits and hyphens, at most 63';
const name = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';

/** The name of a policy: one of `builtInPolicies`, or one that somebody has made (named.ts). */
export const policyNameSchema = z.string().regex(new RegExp(`^${name}$`), nameRule);
/** The name of a policy that somebody makes. */
export const newPolicyNameSchema = z
  .string()
  .regex(
    new RegExp(`^(?!(?:${Object.keys(builtInPolicies).join('|')})$)${name}$`),
    `${nameRule}, and other than ${Object.keys(builtInPolicies).join(' and ')}`,
  );

/** The policy of a sandbox, as its config has it: the name of a policy, or the policy itself. */
export const policyChoiceSchema = z.union([policyNameSchema, networkPolicySchema]);
export type PolicyChoice = z.output<typeof policyChoiceSchema>;
export type PolicyChoiceInput = z.input<typeof policyChoiceSchema>;

export const isBuiltInPolicy = (name: string): name is keyof typeof builtInPolicies =>
  Object.hasOwn(builtInPolicies, name);

/** Whether the egress process has to enforce that choice. With `all` a guest needs no proxy. */
export const isGoverned = (choice: PolicyChoice | undefined): choice is PolicyChoice =>
  choice !== undefined && choice !== 'all';

/**
 * The policy that the egress process is to enforce for that choice; null for `all`.
 *
 * @param named finds the policy that somebody has made under a name; default: there are none
 * @throws NovaError `not_found` for a name that no policy has
 */
export function governingPolicy(
  choice: PolicyChoice | undefined,
  named: (name: string) => NetworkPolicy | undefined = () => undefined,
): NetworkPolicy | null {
  if (!isGoverned(choice)) return null;
  if (typeof choice !== 'string') return choice;
  if (isBuiltInPolicy(choice)) return builtInPolicies[choice];
  const policy = named(choice);
  if (policy !== undefined) return policy;
  throw new NovaError('not_found', `There is no network policy ${choice}.`, {
    hint: 'List the policies with `nova policy ls`, make one with `nova policy create`, or give the rules themselves, such as --allow HOST.',
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
