import * as z from 'zod';
import {
  approvalAnswerShape,
  contactsSchema,
  explanationSchema,
  networkPolicySchema,
  newPolicyShape,
  policyChoiceSchema,
  wishSchema,
} from '#policy-schemas';
import type { Approval, ApprovalAnswerInput, PolicyInfo } from '../policy/index.ts';
import { queryBoolean } from './query.ts';

/** Policies with names, and questions about connections, on the wire. */

export const policyWireSchema = z.object({
  id: z.string(),
  name: z.string(),
  owner: z.string().nullable(),
  team: z.string().nullable(),
  policy: networkPolicySchema,
  created_at: z.iso.datetime(),
  changed_at: z.iso.datetime(),
  used_by: z.array(z.string()).describe('Ids of the VMs that name it, whatever their state'),
});
export type PolicyWire = z.infer<typeof policyWireSchema>;

export const policyListSchema = z.object({ policies: z.array(policyWireSchema) });
export const createPolicySchema = z.strictObject({
  name: newPolicyShape.name.describe('Unique among the policies of the owner; none and all exist by themselves'),
  policy: newPolicyShape.policy,
});
export const changePolicySchema = z.strictObject({ policy: newPolicyShape.policy });
export const testPolicySchema = z.strictObject({
  policy: policyChoiceSchema.describe('none, all, the name of a policy, or a policy itself'),
  to: wishSchema,
});
export const policyTestedSchema = explanationSchema;
export const learnedPolicyWireSchema = z.object({
  policy: networkPolicySchema.describe('The smallest policy that allows the contacts'),
  ...contactsSchema.shape,
});

export const approvalWireSchema = z.object({
  id: z.string(),
  vm_id: z.string(),
  host: z.string().nullable().describe('null: the connection goes to an address without a name'),
  address: z.string().nullable(),
  port: z.int(),
  asked_at: z.iso.datetime(),
  answer: z.enum(['allow', 'deny']).nullable().describe('null: it waits for an answer'),
  scope: z.enum(['once', 'session', 'always']).nullable(),
  expires_at: z.iso.datetime().nullable().describe('End of the answer; null where it has none'),
});
export type ApprovalWire = z.infer<typeof approvalWireSchema>;

export const approvalListSchema = z.object({ approvals: z.array(approvalWireSchema) });
export const approvalQuerySchema = z.strictObject({
  vm: z.string().min(1).max(64).optional().describe('Of this VM'),
  pending: queryBoolean.default(false).describe('Those alone that wait for an answer'),
});
export const answerApprovalSchema = z.strictObject({
  action: approvalAnswerShape.action,
  scope: approvalAnswerShape.scope.describe(
    'once: for one connection or request; session: as long as the VM exists; always: as a rule of its policy',
  ),
  for_seconds: approvalAnswerShape.forSeconds.describe(
    'How long the answer holds; default: ten minutes for once, else without an end; not with always',
  ),
});

export const policyWireOf = (info: PolicyInfo): PolicyWire => ({
  ...{ id: info.id, name: info.name, owner: info.owner, team: info.team, policy: info.policy },
  created_at: info.createdAt,
  changed_at: info.changedAt,
  used_by: [...info.usedBy],
});

export function policyOfWire({ created_at, changed_at, used_by, ...same }: PolicyWire): PolicyInfo {
  return { ...same, createdAt: created_at, changedAt: changed_at, usedBy: used_by };
}

export const approvalWireOf = ({ sandboxId, askedAt, expiresAt, ...same }: Approval): ApprovalWire => ({
  ...{ id: same.id, vm_id: sandboxId, host: same.host, address: same.address, port: same.port },
  asked_at: askedAt,
  ...{ answer: same.answer, scope: same.scope },
  expires_at: expiresAt,
});

export function approvalOfWire({ vm_id, asked_at, expires_at, ...same }: ApprovalWire): Approval {
  return { ...same, sandboxId: vm_id, askedAt: asked_at, expiresAt: expires_at };
}

export const answerOfWire = ({ action, scope, for_seconds }: z.output<typeof answerApprovalSchema>) =>
  ({ action, scope, ...(for_seconds === undefined ? {} : { forSeconds: for_seconds }) }) satisfies ApprovalAnswerInput;
