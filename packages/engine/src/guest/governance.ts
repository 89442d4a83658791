import {
  builtInPolicies,
  governingPolicy,
  NovaError,
  requireSupported,
  type PinnedNames,
  type PolicyChoice,
} from '@novasandbox/protocol';
import type { Governance } from '../ports/network.ts';
import { openedAuthority, servedSecret } from '../secrets/keep.ts';
import type { Seals } from '../ports/seals.ts';
import type { StoredAuthority, StoredSecret } from '../ports/store.ts';
import type { ChosenDriver } from './choose-driver.ts';

/** The facts about a sandbox that decide what its guest reaches. */
export interface Governed {
  readonly config: { readonly policy?: PolicyChoice | undefined };
  readonly names: PinnedNames;
  readonly secrets: readonly StoredSecret[];
  readonly authority: StoredAuthority | null;
}

/** Whether the egress process has to enforce anything for a guest. */
export const isGoverned = ({ config, secrets }: Pick<Governed, 'config' | 'secrets'>): boolean =>
  governingPolicy(config.policy) !== null || secrets.length > 0;

/** What the egress process has to enforce for a guest; undefined: nothing, and the guest does not need it. */
export function governanceOf(seals: Seals, governed: Governed): Governance | undefined {
  if (!isGoverned(governed)) return undefined;
  const { config, names, secrets, authority } = governed;
  return {
    policy: governingPolicy(config.policy) ?? builtInPolicies.all,
    names,
    authority: authority === null ? undefined : openedAuthority(seals, authority),
    secrets: secrets.map((each) => servedSecret(seals, each)),
  };
}

/**
 * Refuses a policy that would not hold: one with rules that are not there yet, and any for a guest that is not in a
 * network slot; and secrets for such a guest.
 */
export function requireEnforceable(
  policy: PolicyChoice | undefined,
  { driver, network }: Pick<ChosenDriver, 'driver' | 'network'>,
  { hasSecrets = false }: { readonly hasSecrets?: boolean } = {},
): void {
  const governing = governingPolicy(policy);
  if (governing === null && !hasSecrets) return;
  if (governing !== null) requireSupported(governing);
  // A virtual machine without a network reaches nothing, whatever its policy.
  if (network === 'slot' || (network === 'none' && driver.features.virtualMachine)) return;
  const what = governing === null ? 'secrets: they cannot be placed' : 'policy: it cannot be enforced';
  const where = driver.features.virtualMachine ? 'without a network slot' : `as a ${driver.name}`;
  throw new NovaError('feature_unsupported', `${what} for a sandbox that runs ${where}.`, {
    hint: 'Run as root on Linux with the programs that `nova doctor` names, or leave it out.',
  });
}
