import type { NetworkPolicy } from '@novasandbox/protocol';
import { choosePolicy, type PolicyOptions } from '../args/policy.ts';

/** The policy that the options ask for, whole; without any, `none`. */
export async function chosenPolicy(options: PolicyOptions): Promise<NetworkPolicy> {
  const { builtInPolicies, governingPolicy, parse, policyChoiceSchema, requireSupported } =
    await import('@novasandbox/protocol');
  const choice = parse(policyChoiceSchema, (await choosePolicy(options)) ?? 'none', 'The policy');
  const policy = governingPolicy(choice) ?? builtInPolicies.all;
  requireSupported(policy);
  return policy;
}
