import { everything, within, type Approval, type PolicyInfo, type Scope } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { ApprovalRecord, PolicyRecord } from '../ports/store.ts';

export const listNamedPolicies = (context: EngineContext, scope: Scope = everything): PolicyInfo[] =>
  context.store
    .listPolicies()
    .filter((record) => within(scope, record))
    .map((record) => toPolicyInfo(context, record));

/** The public view of a policy, with the sandboxes that name it. */
export function toPolicyInfo({ store }: EngineContext, record: PolicyRecord): PolicyInfo {
  const { id, name, owner, team, policy, createdAtMs, changedAtMs } = record;
  return {
    ...{ id, name, owner, team, policy },
    createdAt: new Date(createdAtMs).toISOString(),
    changedAt: new Date(changedAtMs).toISOString(),
    usedBy: store.sandboxesUnder(record),
  };
}

/** The public view of a question. An answer whose time is over is none any more. */
export function toApproval({ askedAtMs, untilMs, answer, scope, ...same }: ApprovalRecord): Approval {
  const holds = answer !== null && (untilMs === null || untilMs > Date.now());
  const { id, sandboxId, host, address, port } = same;
  return {
    ...{ id, sandboxId, host, address, port },
    askedAt: new Date(askedAtMs).toISOString(),
    answer: holds ? answer : null,
    scope: holds ? scope : null,
    expiresAt: holds && untilMs !== null ? new Date(untilMs).toISOString() : null,
  };
}
