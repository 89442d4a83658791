import type { OwnHypervisor } from '@novasandbox/protocol';
import type { VmmDriver } from '../ports/vmm-driver.ts';
import type { DriverOptions } from '../vmm/driver-options.ts';
import type { Vmm } from '../vmm/vmm.ts';
import { createAppleVzDriver } from './apple-vz/driver.ts';
import { vfkitVmm } from './apple-vz/vmm.ts';
import { createCloudHypervisorDriver } from './cloud-hypervisor/driver.ts';
import { cloudHypervisorVmm } from './cloud-hypervisor/vmm.ts';
import { createFirecrackerDriver } from './firecracker/driver.ts';
import { firecrackerVmm } from './firecracker/vmm.ts';
import { createProcessDriver } from './process/driver.ts';
import { createQemuDriver } from './qemu/driver.ts';
import { qemuVmm } from './qemu/vmm.ts';

export interface RegisteredDriver {
  readonly create: (options: DriverOptions) => VmmDriver;
  /** The VMM that it starts; null where it starts none. */
  readonly vmm: Vmm | null;
}

/**
 * Our own drivers, one for each name in `ownHypervisors`. The rest of the code learns about these drivers only from
 * here.
 */
export const drivers: Readonly<Record<OwnHypervisor, RegisteredDriver>> = {
  firecracker: { create: createFirecrackerDriver, vmm: firecrackerVmm },
  'cloud-hypervisor': { create: createCloudHypervisorDriver, vmm: cloudHypervisorVmm },
  qemu: { create: createQemuDriver, vmm: qemuVmm },
  'apple-vz': { create: createAppleVzDriver, vmm: vfkitVmm },
  process: { create: createProcessDriver, vmm: null },
};

/** The VMMs of our drivers. */
export const vmms: readonly Vmm[] = Object.values(drivers).flatMap(({ vmm }) => (vmm === null ? [] : [vmm]));

/** The VMM of a hypervisor; null where it is not one of ours or has none. */
export const vmmOf = (hypervisor: string): Vmm | null =>
  Object.entries(drivers).find(([name]) => name === hypervisor)?.[1].vmm ?? null;
