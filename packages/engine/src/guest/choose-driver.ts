import { governingPolicy, NovaError, unknownHypervisor, type SandboxConfig } from '@novasandbox/protocol';
import { installRemedy } from '../programs/debian-packages.ts';
import type { EngineContext } from '../context.ts';
import type { VmmDriver } from '../ports/vmm-driver.ts';
import type { BuildContext } from '../services.ts';
import { cannot, refusalOfConfig, withFeature } from './features.ts';

/** The means with which a sandbox runs on this host. */
export interface ChosenDriver {
  readonly driver: VmmDriver;
  readonly accelerator: string;
  /** `slot`: a tap in a namespace of its own (network/); `user`: the VMM's own user-mode stack; `nat`: the system's. */
  readonly network: 'none' | 'user' | 'slot' | 'nat';
  /** Why it has no slot, where it has another network. */
  readonly whyNoSlot?: string | undefined;
}

export interface ChooseOptions extends BuildContext {
  /** The network that the guest's memory knows; default: the best that this host has for it. */
  readonly known?: ChosenDriver['network'] | undefined;
}

type Context = Pick<EngineContext, 'drivers' | 'network'>;
/** A config with its sizes filled in. */
type SizedConfig = SandboxConfig & { readonly vcpus: number };

/**
 * Chooses the requested hypervisor, or for `auto` the first one, in the engine's order, that has what the config needs
 * and that a probe proves.
 * @throws NovaError `feature_unsupported` where the one asked for cannot serve the config, naming those that can;
 * `hypervisor_unavailable` where none works here
 */
export async function chooseDriver(
  context: Context,
  config: SizedConfig,
  options: ChooseOptions = {},
): Promise<ChosenDriver> {
  const reasons: string[] = [];
  for (const driver of candidates(context, config.hypervisor)) {
    const network = refusal(context, driver, config) ?? (await networkOf(context, driver, config, options));
    if (network instanceof NovaError) {
      if (config.hypervisor !== 'auto') throw network;
      reasons.push(network.message);
      continue;
    }
    const probe = await driver.probe({ ...options, architecture: config.architecture });
    if (probe.available) return { driver, accelerator: probe.accelerator, ...network };
    reasons.push(probe.reason);
  }
  const hint = installRemedy();
  throw new NovaError('hypervisor_unavailable', `No hypervisor works on this host: ${reasons.join('; ')}`, {
    ...(hint === null ? {} : { hint: `${hint}; then run \`nova doctor\`.` }),
  });
}

/** Returns why a hypervisor cannot run such a sandbox on any host; null where it can. */
function refusal(context: Context, driver: VmmDriver, config: SizedConfig): NovaError | null {
  const refused = refusalOfConfig(context, driver, config);
  if (refused !== null) return refused;
  const runs = ({ maxVcpus }: VmmDriver): boolean => maxVcpus === undefined || config.vcpus <= maxVcpus;
  if (!runs(driver)) {
    const more = `run ${config.vcpus} virtual CPUs (${driver.maxVcpus} at most)`;
    return cannot(context, driver.name, more, runs, 'vcpus');
  }
  return null;
}

function candidates(context: Context, wanted: SandboxConfig['hypervisor']): readonly VmmDriver[] {
  if (wanted === 'auto') return [...context.drivers.values()].filter((driver) => driver.features.virtualMachine);
  const driver = context.drivers.get(wanted);
  if (driver !== undefined) return [driver];
  throw unknownHypervisor(wanted, context.drivers.keys());
}

/**
 * Chooses a slot where this host can make one for the sandbox and the hypervisor can use it, and refuses where no
 * network is available. A process of the host uses the host's network, so it has none of its own.
 */
async function networkOf(
  context: Context,
  { name, features }: VmmDriver,
  { enableNetwork, policy, networks }: SandboxConfig,
  { signal, known }: ChooseOptions,
): Promise<Pick<ChosenDriver, 'network' | 'whyNoSlot'> | NovaError> {
  if (!enableNetwork || !features.virtualMachine) return { network: 'none' };
  const { slots, slotsForPolicies, reason } = features.tapNetwork
    ? await context.network.probe({ signal })
    : { slots: false, slotsForPolicies: false, reason: `${name} has no tap` };
  const isGoverned = known === undefined ? governingPolicy(policy) !== null : known === 'slot';
  // The slots without root have no link to a private network.
  if (slots || (slotsForPolicies && isGoverned && networks.length === 0)) return { network: 'slot' };
  if (features.userNetwork) return { network: 'user', whyNoSlot: reason };
  if (features.natNetwork) return { network: 'nat', whyNoSlot: reason };
  return new NovaError(
    'feature_unsupported',
    `The hypervisor ${name} needs a network slot, and this host has none: ${reason}. ${withFeature(context, 'userNetwork')} can do without.`,
    { hint: 'Run as root on Linux with the programs `nova doctor` names, or set enableNetwork: false.' },
  );
}
