import { existsSync } from 'node:fs';
import { NovaError } from '@novasandbox/protocol';
import { findBinary, vmms, type Layout } from '@novasandbox/engine';

/** A file of the host that is copied into the lab, where the same variable names it. */
export interface Brought {
  readonly name: string;
  readonly variable: string;
  readonly path: string;
}

/** Files for the tests of firmware boot (tests/e2e/kvm-firmware.test.ts). */
const images = { 'CLOUDHV.fd': 'NOVA_CLOUDHV_FIRMWARE', 'uefi-disk.img': 'NOVA_UEFI_DISK' } as const;

/**
 * The hypervisors of this host that need KVM, and images for them. Missing ones are left out. The lab has QEMU from its
 * distribution.
 * @throws NovaError `invalid_argument` if a variable names a missing file
 */
export function findBrought(layout: Layout): Brought[] {
  const needKvm = vmms.filter(({ kvm }) => kvm === 'needed').flatMap((vmm) => vmm.programs);
  const programs = needKvm.flatMap((program): Brought[] => {
    const { name, variable } = program;
    if (variable === null) return [];
    const found = findBinary(program, layout.vmmDirectory);
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
