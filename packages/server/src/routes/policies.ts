import { answerOfWire, approvalWireOf, policyWireOf } from '@novasandbox/protocol/api';
import type { JsonHandlers } from './call.ts';

/** Network policies with names, and questions about connections. */
export function policyHandlers(): Pick<
  JsonHandlers,
  | 'listPolicies'
  | 'createPolicy'
  | 'getPolicy'
  | 'changePolicy'
  | 'deletePolicy'
  | 'testPolicy'
  | 'listApprovals'
  | 'answerApproval'
> {
  return {
    listPolicies: async ({ engine }) => ({ policies: (await engine.policies.list()).map(policyWireOf) }),
    createPolicy: async ({ engine, body, signal }) => policyWireOf(await engine.policies.create(body, { signal })),
    getPolicy: async ({ engine, params }) => policyWireOf(await engine.policies.get(params.policy)),
    changePolicy: async ({ engine, params, body, signal }) =>
      policyWireOf(await engine.policies.change(params.policy, body.policy, { signal })),
    deletePolicy: ({ engine, params }) => engine.policies.remove(params.policy),
    testPolicy: ({ engine, body }) => engine.policies.test(body.policy, body.to),
    async listApprovals({ engine, query: { vm, pending } }) {
      const approvals = await engine.policies.approvals({ sandbox: vm, pending });
      return { approvals: approvals.map(approvalWireOf) };
    },
    answerApproval: async ({ engine, params, body, signal }) =>
      approvalWireOf(await engine.policies.answer(params.approval, answerOfWire(body), { signal })),
  };
}
