import type { HypervisorName } from '@novasandbox/protocol';
import type { MachineRecord, MachineSpec } from '../ports/vmm-driver.ts';
import type { ProcessIdentity } from './process-identity.ts';

/** The record of a machine that a driver has just started. */
export const machineRecord = (
  driver: HypervisorName,
  { id, directory, socketDirectory }: MachineSpec,
  vmm: ProcessIdentity,
  how: Pick<MachineRecord, 'channels' | 'cgroup'>,
): MachineRecord => ({ driver, id, ...vmm, directory, socketDirectory, ...how });
