import { hypervisorNameSchema, driverFeaturesSchema, NovaError, ownHypervisors, parse } from '@novasandbox/protocol';
import type { HypervisorName } from '@novasandbox/protocol';
import type { CreateDriver } from '../ports/driver-means.ts';
import type { VmmDriver } from '../ports/vmm-driver.ts';
import type { DriverOptions } from '../vmm/driver-options.ts';
import { drivers as ownDrivers } from './registry.ts';

/**
 * Makes the drivers of an engine. Our own come first, so that `auto` chooses a given one only where none of ours can
 * serve. Throws `invalid_argument` for a given driver whose name is taken, or whose methods do not match its features.
 */
export function createAllDrivers(
  options: DriverOptions,
  given: readonly CreateDriver[],
): ReadonlyMap<HypervisorName, VmmDriver> {
  const all = new Map<HypervisorName, VmmDriver>(
    ownHypervisors.map((name) => [name, ownDrivers[name].create(options)]),
  );
  const { probeDirectory, probeGuest, agentBinary } = options;
  for (const create of given) {
    const driver = create({ probeDirectory, probeGuest, agentBinary });
    const name = parse(hypervisorNameSchema, driver.name, 'drivers.name');
    if (name === 'auto' || all.has(name))
      throw new NovaError('invalid_argument', `drivers: the name "${name}" is taken already.`);
    all.set(name, checkedDriver(driver));
  }
  return all;
}

/**
 * Checks a driver, which may be an instance of a class, and returns it as a plain object whose methods can be wrapped
 * one by one.
 */
function checkedDriver(driver: VmmDriver): VmmDriver {
  const features = parse(driverFeaturesSchema, driver.features, `drivers.${driver.name}.features`);
  if (features.restore !== (driver.restore !== undefined))
    throw new NovaError(
      'invalid_argument',
      `drivers: "${driver.name}" must have the method restore exactly when its feature restore says so.`,
    );
  return {
    name: driver.name,
    features,
    ...(driver.maxVcpus === undefined ? {} : { maxVcpus: driver.maxVcpus }),
    probe: (options) => driver.probe(options),
    snapshotKey: (architecture) => driver.snapshotKey(architecture),
    launch: (spec, options) => driver.launch(spec, options),
    ...(driver.restore === undefined ? {} : { restore: driver.restore.bind(driver) }),
    ...(driver.endProbes === undefined ? {} : { endProbes: () => Promise.resolve(driver.endProbes?.()) }),
    attach: (record) => driver.attach(record),
  };
}
