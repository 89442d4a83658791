import { NovaError, type DriverFeatures, type HypervisorName, type SandboxConfig } from '@novasandbox/protocol';
import { guestArchitecture, hostArchitecture } from '../architecture.ts';
import type { EngineContext } from '../context.ts';
import type { VmmDriver } from '../ports/vmm-driver.ts';

export type Feature = keyof DriverFeatures;

/** What a hypervisor without the feature cannot do, in words that follow "cannot". */
const abilities: Readonly<Record<Feature, string>> = {
  virtualMachine: 'run a virtual machine',
  pause: 'pause',
  snapshot: 'take snapshots of memory',
  restore: 'restore snapshots of memory',
  sharedMemoryClones: 'share memory between clones',
  userNetwork: 'make a network of its own',
  natNetwork: "use the system's NAT",
  tapNetwork: 'use a network slot',
  liveSnapshot: 'take a snapshot of a sandbox that goes on',
  diffSnapshot: 'take snapshots of what has changed',
  onDemandRestore: 'restore memory on demand',
  firmwareBoot: 'boot firmware (firmwarePath)',
  hyperv: "offer Hyper-V's interfaces (hyperv)",
  rateLimits: 'limit rates (rateLimits)',
  balloon: 'take memory back from a running sandbox',
  resize: 'change the size of a running sandbox',
  hotplug: 'add drives or a network to a running sandbox',
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

type Drivers = Pick<EngineContext, 'drivers'>;

/** The hypervisors that can, for people. */
function others({ drivers }: Drivers, can: (driver: VmmDriver) => boolean): string[] {
  return [...drivers.values()].filter(can).map(({ name }) => name);
}

/** The hypervisors that have a feature, for people. */
export const withFeature = (context: Drivers, feature: Feature): string =>
  others(context, ({ features }) => features[feature]).join(', ');

/** The refusal of what a hypervisor cannot do, in words that follow "cannot"; it names those that can. */
export function cannot(
  context: Drivers,
  hypervisor: HypervisorName,
  what: string,
  can: (driver: VmmDriver) => boolean,
): NovaError {
  const able = others(context, can);
  const names = able.length === 0 ? 'none here can' : `${able.join(', ')} can`;
  return new NovaError('feature_unsupported', `The hypervisor ${hypervisor} cannot ${what}: ${names}.`, {
    details: { hypervisor, able },
  });
}

/** The refusal for the want of a feature. */
export const unsupported = (context: Drivers, hypervisor: HypervisorName, feature: Feature): NovaError =>
  cannot(context, hypervisor, abilities[feature], ({ features }) => features[feature]);
