import {
  networkPolicySchema,
  newPolicySchema,
  NovaError,
  parse,
  requireSupported,
  type NetworkPolicyInput,
  type NewPolicyInput,
  type PolicyInfo,
  type Scope,
} from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import type { PolicyRecord } from '../ports/store.ts';
import { governAnew } from '../sandbox/change-policy.ts';
import { newSandboxId } from '../sandbox/id.ts';
import type { CallContext, PolicyContext } from '../services.ts';
import { toPolicyInfo } from './info.ts';

/** The policy that an id or a name means. Throws `not_found`. */
export function findNamedPolicy({ store }: EngineContext, ref: string, scope?: Scope): PolicyRecord {
  const record = store.findPolicy(ref, scope);
  if (record !== null) return record;
  throw new NovaError('not_found', `There is no network policy "${ref}".`, {
    hint: 'List the policies with `nova policy ls`.',
  });
}

export function createNamedPolicy(
  context: EngineContext,
  input: NewPolicyInput,
  { ownership = { owner: null, team: null } }: PolicyContext = {},
): PolicyInfo {
  const { name, policy } = parse(newPolicySchema, input, 'policy');
  requireSupported(policy);
  const nowMs = Date.now();
  const { owner, team } = ownership;
  const record = { id: newSandboxId(), name, owner, team, policy, createdAtMs: nowMs, changedAtMs: nowMs };
  context.store.addPolicy(record);
  return toPolicyInfo(context, record);
}

/**
 * Changes a policy, for all sandboxes that name it: those that run reach at once what it says now. Where this fails for
 * some, the others have it, and the error names those that reach what they did before.
 */
export async function changeNamedPolicy(
  context: EngineContext,
  ref: string,
  input: NetworkPolicyInput,
  { signal }: CallContext = {},
): Promise<PolicyInfo> {
  const { id } = findNamedPolicy(context, ref);
  const policy = parse(networkPolicySchema, input, 'policy');
  requireSupported(policy);
  throwIfAborted(signal, 'before the policy was changed');
  const changed = context.store.changePolicy(id, policy, Date.now());
  if (changed === null) throw new NovaError('not_found', `The network policy "${ref}" was removed meanwhile.`);
  const info = toPolicyInfo(context, changed);
  // From here on an abort would leave some sandboxes with the policy as it was.
  const outcomes = await Promise.allSettled(info.usedBy.map((sandbox) => governAnew(context, sandbox)));
  const failed = info.usedBy.filter((_, index) => outcomes[index]?.status === 'rejected');
  if (failed.length === 0) return info;
  throw new NovaError('network_failed', `The policy is not in force yet for ${failed.join(', ')}.`, {
    hint: 'Change it once more, or stop these sandboxes.',
    details: { sandboxes: failed },
    cause: outcomes.find((outcome) => outcome.status === 'rejected')?.reason,
  });
}

/** Removes a policy that no sandbox names, stopped ones included. Throws `conflict` where some do. */
export function removeNamedPolicy(context: EngineContext, ref: string): void {
  const { id, name } = findNamedPolicy(context, ref);
  const uses = context.store.removePolicy(id);
  if (uses.length === 0) return;
  throw new NovaError(
    'conflict',
    `${uses.length} sandboxes have the network policy ${name}: ${uses.slice(0, 8).join(', ')}.`,
    {
      hint: 'Give them another policy with `nova policy set`, or remove them first.',
      details: { sandboxes: uses },
    },
  );
}
