import {
  asksForSomething,
  fields,
  NovaError,
  type DriverFeatures,
  type Field,
  type FieldName,
  type HypervisorName,
  type SandboxConfig,
} from '@novasandbox/protocol';
import { guestArchitecture, hostArchitecture } from '../architecture.ts';
import type { EngineContext } from '../context.ts';
import type { VmmDriver } from '../ports/vmm-driver.ts';

export type Feature = keyof DriverFeatures;
/** Features that only a config asks for. */
type FeatureOfConfig = 'firmwareBoot' | 'hyperv' | 'rateLimits' | 'foreignArchitectures';

/**
 * The ability that a hypervisor without the feature lacks, in words that follow "cannot". The words for features that a
 * config asks for are in the table of fields.
 */
const abilities: Readonly<Record<Exclude<Feature, FeatureOfConfig>, string>> = {
  virtualMachine: 'run a virtual machine',
  pause: 'pause',
  snapshot: 'take snapshots of memory',
  restore: 'restore snapshots of memory',
  sharedMemoryClones: 'share memory between clones',
  userNetwork: 'make a network of its own',
  natNetwork: "use the system's NAT",
  tapNetwork: 'use a network slot',
  exchangeableDrives: 'exchange the drives of clones',
  liveSnapshot: 'take a snapshot of a sandbox that goes on',
  diffSnapshot: 'take snapshots of what has changed',
  onDemandRestore: 'restore memory on demand',
  balloon: 'take memory back from a running sandbox',
  resize: 'change the size of a running sandbox',
  growDrives: 'make the disk of a running sandbox larger',
  hotplug: 'add drives or a network to a running sandbox',
};

/**
 * Returns the refusal of a hypervisor that lacks a feature that a field of the config asks for; null where it lacks
 * none.
 */
export function refusalOfConfig(context: Drivers, driver: VmmDriver, config: SandboxConfig): NovaError | null {
  // Every hypervisor runs guests for the processor of the host.
  const isOwn = guestArchitecture(config.architecture) === hostArchitecture();
  const asked = isOwn ? { ...config, architecture: undefined } : config;
  for (const [name, { needs = [] }] of Object.entries<Field>(fields)) {
    const value = asked[name as FieldName];
    if (!asksForSomething(value)) continue;
    for (const { when, oneOf, to } of [needs].flat()) {
      if (when !== undefined && when !== value) continue;
      const can = ({ features }: VmmDriver): boolean => oneOf.some((feature) => features[feature]);
      if (!can(driver)) return cannot(context, driver.name, to, can, name as FieldName);
    }
  }
  return null;
}

type Drivers = Pick<EngineContext, 'drivers'>;

/** The names of the hypervisors for which `can` holds. */
function others({ drivers }: Drivers, can: (driver: VmmDriver) => boolean): string[] {
  return [...drivers.values()].filter(can).map(({ name }) => name);
}

/** The names of the hypervisors that have a feature, for a message. */
export const withFeature = (context: Drivers, feature: Feature): string =>
  others(context, ({ features }) => features[feature]).join(', ');

/**
 * Makes the refusal for an ability that a hypervisor lacks, in words that follow "cannot". It names the hypervisors
 * that have it, and the field that asks for it.
 */
export function cannot(
  context: Drivers,
  hypervisor: HypervisorName,
  what: string,
  can: (driver: VmmDriver) => boolean,
  field?: FieldName,
): NovaError {
  const able = others(context, can);
  const names = able.length === 0 ? 'none here can' : `${able.join(', ')} can`;
  const problem = `The hypervisor ${hypervisor} cannot ${what}: ${names}.`;
  const issues = field === undefined ? {} : { issues: [{ field, problem }] };
  return new NovaError('feature_unsupported', field === undefined ? problem : `${field}: ${problem}`, {
    details: { hypervisor, able, ...issues },
  });
}

/** The error for a feature that a hypervisor does not have. */
export const unsupported = (context: Drivers, hypervisor: HypervisorName, feature: keyof typeof abilities): NovaError =>
  cannot(context, hypervisor, abilities[feature], ({ features }) => features[feature]);
