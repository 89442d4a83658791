import { NovaError, type LearnedPolicy } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { findSandbox } from '../sandbox/find.ts';
import { policyFor } from './learn.ts';

/**
 * The smallest policy that allows what a sandbox was let through to since it runs under a policy. Throws
 * `invalid_state` where nobody has looked.
 */
export async function learnPolicy(context: EngineContext, ref: string): Promise<LearnedPolicy> {
  const { id, name } = await findSandbox(context, ref);
  const known = await context.network.contacts(id);
  if (known === null)
    throw new NovaError('invalid_state', `Nobody looks at what the sandbox ${name ?? id} reaches.`, {
      hint: 'Give it a policy that lets it through while it is looked at, such as { "otherwise": "allow" }, and run it.',
    });
  return { ...known, policy: policyFor(known.contacts) };
}
