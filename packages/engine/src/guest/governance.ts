import {
  governingPolicy,
  NovaError,
  requireSupported,
  type PinnedNames,
  type PolicyChoice,
} from '@novasandbox/protocol';
import type { Governance } from '../ports/network.ts';
import type { ChosenDriver } from './choose-driver.ts';

/** The rules that the egress process has to enforce for a guest; undefined: none, and the guest does not need it. */
export function governanceOf(policy: PolicyChoice | undefined, names: PinnedNames): Governance | undefined {
  const governing = governingPolicy(policy);
  return governing === null ? undefined : { policy: governing, names };
}

/**
 * Refuses a policy that would not hold: one with rules that are not there yet, and any for a guest that is not in a
 * network slot.
 */
export function requireEnforceable(
  policy: PolicyChoice | undefined,
  { driver, network, whyNoSlot }: Pick<ChosenDriver, 'driver' | 'network' | 'whyNoSlot'>,
): void {
  const governing = governingPolicy(policy);
  if (governing === null) return;
  requireSupported(governing);
  // A virtual machine without a network reaches nothing, whatever its policy.
  if (network === 'slot' || (network === 'none' && driver.features.virtualMachine)) return;
  const where = driver.features.virtualMachine ? 'without a network slot' : `as a ${driver.name}`;
  const why = whyNoSlot === undefined ? '' : ` (${whyNoSlot})`;
  throw new NovaError('feature_unsupported', `policy: it cannot be enforced for a sandbox that runs ${where}${why}.`, {
    hint: 'Create it with the policy, on a Linux host for which `nova doctor` says that there are policies; or leave the policy out.',
  });
}
