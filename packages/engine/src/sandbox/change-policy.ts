import {
  NovaError,
  parse,
  policyChoiceSchema,
  type Decision,
  type PolicyChoiceInput,
  type SandboxInfo,
} from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { governanceOf, isGoverned, requireEnforceable } from '../guest/governance.ts';
import { tellInBackground } from '../ports/background.ts';
import type { DecisionOptions } from '../ports/egress.ts';
import type { Governance } from '../ports/network.ts';
import type { CallContext } from '../services.ts';
import { requireDriver } from './attach-machine.ts';
import { findSandbox } from './find.ts';
import { toInfo } from './info.ts';
import { noteUses } from './secrets.ts';
import { putInForce } from './put-in-force.ts';
import { takeTurn } from './turn.ts';

/**
 * Changes what a sandbox may reach, also while it runs: connections that it may not have any more end. One that does
 * not run gets the policy at its next start. After an error a sandbox that runs reaches nothing that it did not before.
 */
export async function changePolicy(
  context: EngineContext,
  ref: string,
  input: PolicyChoiceInput,
  { signal }: CallContext = {},
): Promise<SandboxInfo> {
  const policy = parse(policyChoiceSchema, input, 'policy');
  const { id } = await findSandbox(context, ref);
  await using _turn = await takeTurn(context, id, signal);
  const record = await findSandbox(context, id);
  const { state, bootedFrom, config } = record;
  if (state === 'creating' || state === 'stopping' || state === 'failed')
    throw new NovaError('invalid_state', `The sandbox ${record.name ?? id} is ${state}.`, {
      hint: 'Change its policy once it runs or has stopped.',
    });
  const driver = requireDriver(context, record.hypervisor);
  const network = !config.enableNetwork ? 'none' : (bootedFrom?.network ?? 'none');
  requireEnforceable(policy, { driver, network }, { hasSecrets: record.secrets.length > 0 });
  return toInfo(await putInForce(context, record, { config: { ...config, policy } }, signal));
}

/** The latest decisions about what a sandbox wanted to reach, oldest first. There are none without a policy. */
export async function readDecisions(
  context: EngineContext,
  ref: string,
  options: DecisionOptions = {},
): Promise<AsyncIterable<Decision>> {
  const { id } = await findSandbox(context, ref);
  return context.network.decisions(id, options);
}

/**
 * Serves sandboxes that run under a policy anew where the egress process had to start again, ends the service for those
 * that have gone, and, with `names`, notes the names that guests were given addresses for.
 */
export async function keepGoverning(context: EngineContext, { names }: { readonly names: boolean }): Promise<void> {
  const { store, network } = context;
  const wanted = new Map<string, Governance>();
  for (const record of store.listSandboxes(['running', 'paused'])) {
    try {
      const governance = governanceOf(context.seals, record);
      if (governance !== undefined) wanted.set(record.id, governance);
    } catch (error) {
      // Its secrets cannot be decrypted. It reaches nothing new, and hinders no other.
      tellInBackground(`putting the policy of ${record.id} in force`, error);
    }
  }
  await network.governAgain(wanted, (id) => {
    const record = store.findSandbox(id);
    if (record === null) return 'forget';
    // Another process is at work on it.
    if (record.state === 'creating' || record.state === 'stopping') return 'leave';
    if (record.state !== 'running' && record.state !== 'paused') return 'forget';
    return isGoverned(record) ? 'leave' : 'let out';
  });
  if (!names) return;
  for (const id of wanted.keys()) {
    await noteNames(context, id);
    await noteUses(context, id);
  }
}

/** Records the names that a guest was given addresses for, where there are new ones. */
export async function noteNames({ store, network }: EngineContext, id: string): Promise<void> {
  const names = await network.names(id);
  const record = store.findSandbox(id);
  if (record === null || names.length <= record.names.length) return;
  store.changeSandbox(id, [record.state], { names });
}
