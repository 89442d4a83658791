import { existsSync } from 'node:fs';
import { NovaError } from '@novasandbox/protocol';
import { binaryVariables, findBinary, type Layout } from '@novasandbox/engine';

/** A file of the host that goes into the lab, where the same variable names it. */
export interface Brought {
  readonly name: string;
  readonly variable: string;
  readonly path: string;
}

/** What tests of firmware boot take (tests/e2e/kvm-firmware.test.ts). */
const images = { 'CLOUDHV.fd': 'NOVA_CLOUDHV_FIRMWARE', 'uefi-disk.img': 'NOVA_UEFI_DISK' } as const;

/**
 * The hypervisors of this host besides QEMU, which the lab has from its distribution, and images for them. Missing ones are left out.
 * @throws NovaError `invalid_argument` where a variable names nothing
 */
export function findBrought(layout: Layout): Brought[] {
  const programs = (['firecracker', 'jailer', 'cloud-hypervisor'] as const).flatMap((name): Brought[] => {
    const variable = binaryVariables[name];
    const found = findBinary(name, layout.vmmDirectory);
    if (found.path !== null) return [{ name, variable, path: found.path }];
    if ((process.env[variable] ?? '') !== '') throw new NovaError('invalid_argument', `${found.reason}.`);
    return [];
  });
  const files = Object.entries(images).flatMap(([name, variable]): Brought[] => {
    const path = process.env[variable] ?? '';
    if (path === '') return [];
    if (!existsSync(path)) throw new NovaError('invalid_argument', `${variable} names ${path}, which does not exist.`);
    return [{ name, variable, path }];
  });
  return [...programs, ...files];
}
