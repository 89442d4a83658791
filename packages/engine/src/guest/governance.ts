import {
  builtInPolicies,
  governingPolicy,
  isGoverned,
  NovaError,
  requireSupported,
  type NetworkPolicy,
  type Ownership,
  type PolicyChoice,
  type SandboxConfig,
} from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { Answer } from '../ports/egress.ts';
import type { Governance } from '../ports/network.ts';
import type { ApprovalRecord, SandboxRecord, Store } from '../ports/store.ts';
import { openedAuthority, servedSecret } from '../secrets/keep.ts';
import type { ChosenDriver } from './choose-driver.ts';

/** The parts of a sandbox that say what it may reach. */
export type Governed = Pick<SandboxRecord, 'id' | 'owner' | 'names' | 'secrets' | 'authority'> & {
  readonly config: Pick<SandboxConfig, 'policy'>;
};

/**
 * The policy of a sandbox whole; null: it reaches everything but private networks.
 *
 * @throws NovaError `not_found` where the policy that it names is not there
 */
export const policyOf = (
  store: Pick<Store, 'policyNamed'>,
  { config, owner }: Pick<Governed, 'config' | 'owner'>,
): NetworkPolicy | null => governingPolicy(config.policy, (name) => store.policyNamed(name, owner)?.policy);

/** Whether the egress process has to enforce anything for a guest. */
export const needsEgress = ({ config, secrets }: Pick<Governed, 'config' | 'secrets'>): boolean =>
  isGoverned(config.policy) || secrets.length > 0;

/**
 * The rules that the egress process has to enforce for a guest; undefined: none, and the guest does not need it.
 *
 * @throws NovaError `not_found` where the policy that it names is not there
 */
export function governanceOf(
  { store, seals }: Pick<EngineContext, 'seals'> & { readonly store: Pick<Store, 'policyNamed' | 'listApprovals'> },
  governed: Governed,
): Governance | undefined {
  if (!needsEgress(governed)) return undefined;
  const { id, owner, config, names, secrets, authority } = governed;
  return {
    policy: policyOf(store, { config, owner }) ?? builtInPolicies.all,
    names,
    answers: sessionAnswers(store.listApprovals(id)),
    authority: authority === null ? undefined : openedAuthority(seals, authority),
    secrets: secrets.map((each) => servedSecret(seals, each)),
  };
}

/** The answers that hold for more than one connection. Those for always are rules of the policy. */
export const sessionAnswers = (approvals: readonly ApprovalRecord[]): Answer[] =>
  approvals.flatMap(({ id, answer, scope, untilMs }) =>
    answer === null || scope !== 'session' || (untilMs !== null && untilMs <= Date.now())
      ? []
      : [{ id, action: answer, once: false, untilMs }],
  );

/** The config with the policy of new sandboxes, where it names none itself. */
export const withDefaultPolicy = <Config extends Pick<SandboxConfig, 'policy'>>(
  { defaultPolicy }: Pick<EngineContext, 'defaultPolicy'>,
  config: Config,
): Config =>
  config.policy === undefined && defaultPolicy !== undefined ? { ...config, policy: defaultPolicy } : config;

/**
 * Refuses a policy that would not hold: one with rules that are not there yet, one that is not there itself, and any
 * for a guest that is not in a network slot; and secrets for such a guest.
 */
export function requireEnforceable(
  store: Pick<Store, 'policyNamed'>,
  policy: PolicyChoice | undefined,
  {
    driver,
    network,
    owner,
    whyNoSlot,
  }: Pick<ChosenDriver, 'driver' | 'network' | 'whyNoSlot'> & Pick<Ownership, 'owner'>,
  { hasSecrets = false }: { readonly hasSecrets?: boolean } = {},
): void {
  const governing = policyOf(store, { config: { policy }, owner });
  if (governing === null && !hasSecrets) return;
  if (governing !== null) requireSupported(governing);
  // A virtual machine without a network reaches nothing, whatever its policy.
  if (network === 'slot' || (network === 'none' && driver.features.virtualMachine)) return;
  const what = governing === null ? 'secrets: they cannot be placed' : 'policy: it cannot be enforced';
  const where = driver.features.virtualMachine ? 'without a network slot' : `as a ${driver.name}`;
  const why = whyNoSlot === undefined ? '' : ` (${whyNoSlot})`;
  throw new NovaError('feature_unsupported', `${what} for a sandbox that runs ${where}${why}.`, {
    hint: 'Create it with the policy or the secrets, on a Linux host for which `nova doctor` says that there are policies; or leave them out.',
  });
}
