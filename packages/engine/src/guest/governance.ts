import {
  governingPolicy,
  NovaError,
  requireSupported,
  type Ownership,
  type PolicyChoice,
  type SandboxConfig,
} from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { Answer } from '../ports/egress.ts';
import type { Governance } from '../ports/network.ts';
import type { ApprovalRecord, SandboxRecord, Store } from '../ports/store.ts';
import type { ChosenDriver } from './choose-driver.ts';

/** The parts of a sandbox that say what it may reach. */
type Governed = Pick<SandboxRecord, 'id' | 'owner' | 'names'> & { readonly config: Pick<SandboxConfig, 'policy'> };

/**
 * The rules that the egress process has to enforce for a guest; undefined: none, and the guest does not need it.
 *
 * @throws NovaError `not_found` where the policy that it names is not there
 */
export function governanceOf(
  store: Pick<Store, 'policyNamed' | 'listApprovals'>,
  { id, owner, config, names }: Governed,
): Governance | undefined {
  const policy = governingPolicy(config.policy, (name) => store.policyNamed(name, owner)?.policy);
  return policy === null ? undefined : { policy, names, answers: sessionAnswers(store.listApprovals(id)) };
}

/** The answers that hold for more than one connection. Those for always are rules of the policy. */
export const sessionAnswers = (approvals: readonly ApprovalRecord[]): Answer[] =>
  approvals.flatMap(({ id, answer, scope, untilMs }) =>
    answer === null || scope !== 'session' || (untilMs !== null && untilMs <= Date.now())
      ? []
      : [{ id, action: answer, once: false, untilMs }],
  );

/** The config with the policy of new sandboxes, where it names none itself. */
export const withDefaultPolicy = (
  { defaultPolicy }: Pick<EngineContext, 'defaultPolicy'>,
  config: SandboxConfig,
): SandboxConfig =>
  config.policy === undefined && defaultPolicy !== undefined ? { ...config, policy: defaultPolicy } : config;

/**
 * Refuses a policy that would not hold: one with rules that are not there yet, one that is not there itself, and any
 * for a guest that is not in a network slot.
 */
export function requireEnforceable(
  store: Pick<Store, 'policyNamed'>,
  policy: PolicyChoice | undefined,
  { driver, network, owner }: Pick<ChosenDriver, 'driver' | 'network'> & Pick<Ownership, 'owner'>,
): void {
  const governing = governingPolicy(policy, (name) => store.policyNamed(name, owner)?.policy);
  if (governing === null) return;
  requireSupported(governing);
  // A virtual machine without a network reaches nothing, whatever its policy.
  if (network === 'slot' || (network === 'none' && driver.features.virtualMachine)) return;
  const where = driver.features.virtualMachine ? 'without a network slot' : `as a ${driver.name}`;
  throw new NovaError('feature_unsupported', `policy: it cannot be enforced for a sandbox that runs ${where}.`, {
    hint: 'Run as root on Linux with the programs that `nova doctor` names, or leave the policy out.',
  });
}
