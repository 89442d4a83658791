import { NovaError } from '@novasandbox/protocol';
import { binaryVariables, findBinary, type Layout } from '@novasandbox/engine';

/** A program of the host that goes into the lab, where the same variable names it. */
export interface Vmm {
  readonly name: string;
  readonly variable: string;
  readonly path: string;
}

/**
 * The hypervisors of this host besides QEMU, which the lab has from its distribution. Missing ones are left out.
 * @throws NovaError `invalid_argument` where a variable names no program
 */
export function findVmms(layout: Layout): Vmm[] {
  return (['firecracker', 'jailer', 'cloud-hypervisor'] as const).flatMap((name): Vmm[] => {
    const variable = binaryVariables[name];
    const found = findBinary(name, layout.vmmDirectory);
    if (found.path !== null) return [{ name, variable, path: found.path }];
    if ((process.env[variable] ?? '') !== '') throw new NovaError('invalid_argument', `${found.reason}.`);
    return [];
  });
}
