import { NovaError, type SandboxConfig } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { VmmDriver } from '../ports/vmm-driver.ts';
import type { BuildContext } from '../services.ts';
import { neededFeatures, unsupported, withFeature } from './features.ts';

/** What runs a sandbox on this host. */
export interface ChosenDriver {
  readonly driver: VmmDriver;
  readonly accelerator: string;
  /** `slot`: a tap in a namespace of its own (network/); `user`: the VMM's own user-mode stack. */
  readonly network: 'none' | 'user' | 'slot';
}

/** The hypervisor asked for, or for `auto` the first that has what the config needs and that a probe proves. */
export async function chooseDriver(
  context: EngineContext,
  config: SandboxConfig,
  options: BuildContext = {},
): Promise<ChosenDriver> {
  const reasons: string[] = [];
  for (const driver of candidates(context, config.hypervisor)) {
    const missing = neededFeatures(config).find((feature) => !driver.features[feature]);
    const network = await networkOf(context, driver, config, options);
    const refusal = missing === undefined ? network : unsupported(context, driver.name, missing);
    if (typeof refusal !== 'string') {
      if (config.hypervisor !== 'auto') throw refusal;
      reasons.push(refusal.message);
      continue;
    }
    const probe = await driver.probe({ ...options, architecture: config.architecture });
    if (probe.available) return { driver, accelerator: probe.accelerator, network: refusal };
    reasons.push(probe.reason);
  }
  throw new NovaError('hypervisor_unavailable', `No hypervisor works on this host: ${reasons.join('; ')}`);
}

function candidates(context: EngineContext, wanted: SandboxConfig['hypervisor']): readonly VmmDriver[] {
  if (wanted === 'auto') return [...context.drivers.values()].filter((driver) => driver.features.virtualMachine);
  const driver = context.drivers.get(wanted);
  if (driver !== undefined) return [driver];
  throw new NovaError(
    'not_implemented',
    `The hypervisor ${wanted} is not there yet; there are ${[...context.drivers.keys()].join(', ')}.`,
  );
}

/**
 * A slot where this host can make them and the hypervisor can use them; a refusal where there is no network to be had. A process of the host has the
 * host's network, hence none of its own.
 */
async function networkOf(
  context: EngineContext,
  { name, features }: VmmDriver,
  { enableNetwork }: SandboxConfig,
  { signal }: BuildContext,
): Promise<ChosenDriver['network'] | NovaError> {
  if (!enableNetwork || !features.virtualMachine) return 'none';
  const { slots, reason } = features.tapNetwork
    ? await context.network.probe({ signal })
    : { slots: false, reason: '' };
  if (slots) return 'slot';
  if (features.userNetwork) return 'user';
  return new NovaError(
    'feature_unsupported',
    `The hypervisor ${name} needs a network slot, and this host has none: ${reason}. ${withFeature(context, 'userNetwork')} can do without.`,
    { hint: 'Run as root on Linux with the programs `nova doctor` names, or set enableNetwork: false.' },
  );
}
