import { NovaError, type DriverFeatures, type HypervisorName, type SandboxConfig } from '@novasandbox/protocol';
import { guestArchitecture, hostArchitecture } from '../architecture.ts';
import type { EngineContext } from '../context.ts';

export type Feature = keyof DriverFeatures;

/** What a hypervisor without the feature cannot do, in words that follow "cannot". */
const abilities: Readonly<Partial<Record<Feature, string>>> = {
  pause: 'pause',
  firmwareBoot: 'boot firmware (firmwarePath)',
  hyperv: "offer Hyper-V's interfaces (hyperv)",
  rateLimits: 'limit rates (rateLimits)',
  resize: 'change the size of a running sandbox',
  hotplug: 'add drives to a running sandbox',
  foreignArchitectures: "run guests for another processor than the host's (architecture)",
};

/** What a config asks of its hypervisor. */
export function neededFeatures(config: SandboxConfig): readonly Feature[] {
  const { disk, network } = config.rateLimits;
  const asked: readonly (readonly [Feature, boolean])[] = [
    ['firmwareBoot', config.firmwarePath !== undefined],
    ['hyperv', config.hyperv],
    ['foreignArchitectures', guestArchitecture(config.architecture) !== hostArchitecture()],
    ['rateLimits', disk !== undefined || network !== undefined],
  ];
  return asked.filter(([, wanted]) => wanted).map(([feature]) => feature);
}

/** The hypervisors that have a feature, for people. */
export const withFeature = (context: EngineContext, feature: Feature): string =>
  [...context.drivers.values()]
    .filter((driver) => driver.features[feature])
    .map((driver) => driver.name)
    .join(', ');

/** The refusal of what a hypervisor cannot do; it names those that can. */
export function unsupported(
  context: EngineContext,
  name: HypervisorName,
  feature: Feature,
  ability: string = abilities[feature] ?? feature,
): NovaError {
  return new NovaError(
    'feature_unsupported',
    `The hypervisor ${name} cannot ${ability}: ${withFeature(context, feature)} can.`,
  );
}
