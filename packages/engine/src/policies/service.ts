import {
  builtInPolicies,
  governingPolicy,
  parse,
  policyChoiceSchema,
  requireSupported,
  wishSchema,
} from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { explain } from '../egress/policy/explain.ts';
import type { PolicyService } from '../services.ts';
import { answerApproval, listApprovals } from './approvals.ts';
import { learnPolicy } from './learned.ts';
import { changeNamedPolicy, createNamedPolicy, findNamedPolicy, removeNamedPolicy } from './named.ts';
import { listNamedPolicies, toPolicyInfo } from './info.ts';

/** Policies with names, and what people and programs want to know and to say about policies. */
export function createPolicyService(context: EngineContext): PolicyService {
  return {
    create: async (policy, call) => createNamedPolicy(context, policy, call),
    get: async (ref, scope) => toPolicyInfo(context, findNamedPolicy(context, ref, scope)),
    list: async (scope) => listNamedPolicies(context, scope),
    change: (ref, policy, call) => changeNamedPolicy(context, ref, policy, call),
    remove: async (ref) => removeNamedPolicy(context, ref),
    async test(choice, input, { ownership } = {}) {
      const wish = parse(wishSchema, input, 'wish');
      const named = (name: string) => context.store.policyNamed(name, ownership?.owner ?? null)?.policy;
      const policy = governingPolicy(parse(policyChoiceSchema, choice, 'policy'), named) ?? builtInPolicies.all;
      requireSupported(policy);
      return explain(policy, wish);
    },
    learned: (ref) => learnPolicy(context, ref),
    approvals: (filter, scope) => listApprovals(context, filter, scope),
    answer: (id, answer, call) => answerApproval(context, id, answer, call),
  };
}
