import { accessSync, constants } from 'node:fs';
import { NovaError } from '@novasandbox/protocol';
import { findProgram } from '@novasandbox/engine';

/** A program of the host that goes into the lab, where the same variable names it. */
export interface Vmm {
  readonly name: string;
  readonly variable: string;
  readonly path: string;
}

const known = [
  { name: 'firecracker', variable: 'NOVA_FIRECRACKER' },
  { name: 'jailer', variable: 'NOVA_JAILER' },
  { name: 'cloud-hypervisor', variable: 'NOVA_CLOUD_HYPERVISOR' },
] as const;

/**
 * The hypervisors of this host besides QEMU, which the lab has from its distribution: named by their variables, else found on the PATH.
 * @throws NovaError `invalid_argument` where a variable names no program
 */
export function findVmms(): Vmm[] {
  return known.flatMap(({ name, variable }): Vmm[] => {
    const given = process.env[variable] ?? '';
    if (given === '') {
      const path = findProgram(name);
      return path === null ? [] : [{ name, variable, path }];
    }
    try {
      accessSync(given, constants.X_OK);
    } catch (error) {
      throw new NovaError('invalid_argument', `${variable} names ${given}, which cannot be executed.`, {
        cause: error,
        hint: `Give the path of a ${name} binary for this processor, or unset ${variable}.`,
      });
    }
    return [{ name, variable, path: given }];
  });
}
