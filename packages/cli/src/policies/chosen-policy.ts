import type { NetworkPolicy } from '@novasandbox/protocol';
import type { Engine } from '@novasandbox/engine';
import { choosePolicy, type PolicyOptions } from '../args/policy.ts';
import { openEngine } from '../open-engine.ts';

/**
 * The policy that the options ask for, whole; without any, `none`. `engine` finds one that has a name; default: the
 * engine is opened for it.
 */
export async function chosenPolicy(options: PolicyOptions, engine?: Engine): Promise<NetworkPolicy> {
  const { builtInPolicies, governingPolicy, isBuiltInPolicy, parse, policyChoiceSchema, requireSupported } =
    await import('@novasandbox/protocol');
  const choice = parse(policyChoiceSchema, (await choosePolicy(options)) ?? 'none', 'The policy');
  const named = typeof choice === 'string' && !isBuiltInPolicy(choice) ? await findNamed(choice, engine) : undefined;
  const policy = governingPolicy(choice, () => named) ?? builtInPolicies.all;
  requireSupported(policy);
  return policy;
}

async function findNamed(name: string, given: Engine | undefined): Promise<NetworkPolicy> {
  if (given !== undefined) return (await given.policies.get(name)).policy;
  await using engine = await openEngine();
  return (await engine.policies.get(name)).policy;
}
