import { governingPolicy, NovaError, requireSupported, type SandboxConfig } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { Governance, Membership } from '../ports/network.ts';
import type { NetworkMembership, SandboxRecord } from '../ports/store.ts';
import type { ChosenDriver } from './choose-driver.ts';

/**
 * What the network has to do for a guest, besides letting it reach what is public: the rules that the egress process
 * enforces, and the private networks that it has joined. Undefined: nothing.
 */
export function governanceOf(
  { store }: Pick<EngineContext, 'store'>,
  { id, name, config, names }: Pick<SandboxRecord, 'id' | 'name' | 'config' | 'names'>,
): Governance | undefined {
  const policy = governingPolicy(config.policy);
  const memberships = config.networks.length === 0 ? [] : store.membershipsOf(id).map(toMembership);
  if (policy === null && memberships.length === 0) return undefined;
  return { policy, names, memberships, hostnames: name === null ? [id] : [id, name] };
}

function toMembership({ network, address }: NetworkMembership): Membership {
  const { id, name, subnet, isolation, bridge } = network;
  return { network: id, name, subnet, prefixLength: Number(subnet.split('/')[1]), address, isolation, bridge };
}

/**
 * Refuses a policy that would not hold: one with rules that are not there yet, and any for a guest that is not in a
 * network slot.
 */
export function requireEnforceable(
  { policy, networks }: Pick<SandboxConfig, 'policy' | 'networks'>,
  { driver, network }: Pick<ChosenDriver, 'driver' | 'network'>,
): void {
  if (networks.length > 0 && network !== 'slot')
    throw new NovaError('feature_unsupported', 'networks: only a sandbox with a network slot can join one.', {
      hint: 'Run as root on Linux with the programs that `nova doctor` names, and leave enableNetwork on.',
    });
  const governing = governingPolicy(policy);
  if (governing === null) return;
  requireSupported(governing);
  // A virtual machine without a network reaches nothing, whatever its policy.
  if (network === 'slot' || (network === 'none' && driver.features.virtualMachine)) return;
  const where = driver.features.virtualMachine ? 'without a network slot' : `as a ${driver.name}`;
  throw new NovaError('feature_unsupported', `policy: it cannot be enforced for a sandbox that runs ${where}.`, {
    hint: 'Run as root on Linux with the programs that `nova doctor` names, or leave the policy out.',
  });
}
