import type { PolicyService } from '@novasandbox/engine/services';
import { approvalOfWire, policyOfWire } from '@novasandbox/protocol/api';
import type { HttpClient } from '../http.ts';

/** A change reaches the sandboxes that run before it is answered. */
const changeMs = 60_000;

/** Network policies over the daemon. */
export function createRemotePolicies(http: HttpClient): PolicyService {
  return {
    async create(policy, context) {
      return policyOfWire(await http.call('createPolicy', {}, { body: policy, signal: context?.signal }));
    },
    get: async (ref) => policyOfWire(await http.call('getPolicy', { policy: ref })),
    list: async () => (await http.call('listPolicies', {})).policies.map(policyOfWire),
    async change(ref, policy, context) {
      const how = { body: { policy }, signal: context?.signal, timeoutMs: changeMs };
      return policyOfWire(await http.call('changePolicy', { policy: ref }, how));
    },
    async remove(ref) {
      await http.call('deletePolicy', { policy: ref });
    },
    test: (policy, wish, context) =>
      http.call('testPolicy', {}, { body: { policy, to: wish }, signal: context?.signal }),
    learned: (ref) => http.call('getLearnedPolicy', { id: ref }),
    async approvals({ sandbox, pending = false } = {}) {
      const { approvals } = await http.call('listApprovals', {}, { query: { vm: sandbox, pending } });
      return approvals.map(approvalOfWire);
    },
    async answer(id, { action, scope, forSeconds }, context) {
      const how = { body: { action, scope, for_seconds: forSeconds }, signal: context?.signal, timeoutMs: changeMs };
      return approvalOfWire(await http.call('answerApproval', { approval: id }, how));
    },
  };
}
