import {
  builtInPolicies,
  governingPolicy,
  isGoverned,
  NovaError,
  requireSupported,
  type NetworkPolicy,
  type Ownership,
  type SandboxConfig,
} from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { Answer } from '../ports/egress.ts';
import type { Governance, Membership } from '../ports/network.ts';
import type { ApprovalRecord, NetworkMembership, SandboxRecord, Store } from '../ports/store.ts';
import { openedAuthority, servedSecret } from '../secrets/keep.ts';
import type { ChosenDriver } from './choose-driver.ts';

/** The parts of a sandbox that say what it may reach. */
export type Governed = Pick<SandboxRecord, 'id' | 'name' | 'owner' | 'names' | 'secrets' | 'authority'> & {
  readonly config: Pick<SandboxConfig, 'policy' | 'networks'>;
};

/**
 * The policy of a sandbox whole; null: it reaches everything but private networks.
 *
 * @throws NovaError `not_found` where the policy that it names is not there
 */
export const policyOf = (
  store: Pick<Store, 'policyNamed'>,
  { config, owner }: Pick<Governed, 'owner'> & { readonly config: Pick<SandboxConfig, 'policy'> },
): NetworkPolicy | null => governingPolicy(config.policy, (name) => store.policyNamed(name, owner)?.policy);

/** Whether the egress process has anything to do for a guest: it also answers the names of private networks. */
export const needsEgress = ({ config, secrets }: Pick<Governed, 'config' | 'secrets'>): boolean =>
  isGoverned(config.policy) || secrets.length > 0 || config.networks.length > 0;

/**
 * The work of the network for a guest, besides letting it reach what is public: the rules that the egress process
 * enforces, and the private networks that it has joined. Undefined: nothing.
 *
 * @throws NovaError `not_found` where the policy that it names is not there
 */
export function governanceOf(
  {
    store,
    seals,
  }: Pick<EngineContext, 'seals'> & { readonly store: Pick<Store, 'policyNamed' | 'listApprovals' | 'membershipsOf'> },
  governed: Governed,
): Governance | undefined {
  if (!needsEgress(governed)) return undefined;
  const { id, name, owner, config, names, secrets, authority } = governed;
  return {
    // Secrets are placed by the egress process, so everything has to pass it.
    policy: policyOf(store, { config, owner }) ?? (secrets.length > 0 ? builtInPolicies.all : null),
    names,
    answers: sessionAnswers(store.listApprovals(id)),
    authority: authority === null ? undefined : openedAuthority(seals, authority),
    secrets: secrets.map((each) => servedSecret(seals, each)),
    memberships: config.networks.length === 0 ? [] : store.membershipsOf(id).map(toMembership),
    hostnames: name === null ? [id] : [id, name],
  };
}

function toMembership({ network, address }: NetworkMembership): Membership {
  const { id, name, subnet, isolation, bridge } = network;
  return { network: id, name, subnet, prefixLength: Number(subnet.split('/')[1]), address, isolation, bridge };
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
 * for a guest that is not in a network slot; and secrets and private networks for such a guest.
 */
export function requireEnforceable(
  store: Pick<Store, 'policyNamed'>,
  { policy, networks }: Pick<SandboxConfig, 'policy' | 'networks'>,
  {
    driver,
    network,
    owner,
    whyNoSlot,
  }: Pick<ChosenDriver, 'driver' | 'network' | 'whyNoSlot'> & Pick<Ownership, 'owner'>,
  { hasSecrets = false }: { readonly hasSecrets?: boolean } = {},
): void {
  const why = whyNoSlot === undefined ? '' : ` (${whyNoSlot})`;
  if (networks.length > 0 && network !== 'slot')
    throw new NovaError(
      'feature_unsupported',
      `networks: only a sandbox with a network slot of root can join one${why}.`,
      {
        hint: 'Run as root on Linux with the programs that `nova doctor` names, and leave enableNetwork on.',
      },
    );
  const governing = policyOf(store, { config: { policy }, owner });
  if (governing === null && !hasSecrets) return;
  if (governing !== null) requireSupported(governing);
  // A virtual machine without a network reaches nothing, whatever its policy.
  if (network === 'slot' || (network === 'none' && driver.features.virtualMachine)) return;
  const what = governing === null ? 'secrets: they cannot be placed' : 'policy: it cannot be enforced';
  const where = driver.features.virtualMachine ? 'without a network slot' : `as a ${driver.name}`;
  throw new NovaError('feature_unsupported', `${what} for a sandbox that runs ${where}${why}.`, {
    hint: 'Create it with the policy or the secrets, on a Linux host for which `nova doctor` says that there are policies; or leave them out.',
  });
}
