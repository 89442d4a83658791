import { NovaError, type HypervisorName } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { SandboxRecord } from '../ports/store.ts';
import type { Machine, VmmDriver } from '../ports/vmm-driver.ts';

type Drivers = Pick<EngineContext, 'drivers'>;

/**
 * Returns the driver of the hypervisor that a sandbox runs on. Another engine may have a driver that this engine lacks;
 * its sandbox may run, but nothing here can reach or end it. Throws `hypervisor_unavailable`.
 */
export function requireDriver({ drivers }: Drivers, name: HypervisorName): VmmDriver {
  const driver = drivers.get(name);
  if (driver !== undefined) return driver;
  throw new NovaError(
    'hypervisor_unavailable',
    `The sandbox was made with the hypervisor ${name}, whose driver is not here.`,
    {
      hint: `Name the module of its driver in NOVA_DRIVERS. There are ${[...drivers.keys()].join(', ')}.`,
      details: { hypervisor: name },
    },
  );
}

/** The machine of a sandbox; null when it has none, or its VMM has ended. */
export async function attachMachine(context: Drivers, { machine, hypervisor }: SandboxRecord): Promise<Machine | null> {
  return machine === null ? null : requireDriver(context, hypervisor).attach(machine);
}
