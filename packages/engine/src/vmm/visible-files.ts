import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Drive, MachineSpec } from '../ports/vmm-driver.ts';
import type { VisibleFile } from './confine.ts';

export const kvmDevice = '/dev/kvm';
export const tunDevice = '/dev/net/tun';

export const readable = (...paths: readonly string[]): VisibleFile[] =>
  paths.filter((path) => path !== '').map((path) => ({ path: resolve(path), how: 'read' }));

/** A machine's folders, the drives that its VMM opens by their names, and the devices that any program expects. */
export function machineFiles(
  { directory, socketDirectory }: Pick<MachineSpec, 'directory' | 'socketDirectory'>,
  drives: readonly Pick<Drive, 'path' | 'readOnly'>[],
): VisibleFile[] {
  return [
    ...[directory, socketDirectory].map((path): VisibleFile => ({ path: resolve(path), how: 'write' })),
    ...drives.map(({ path, readOnly }): VisibleFile => ({ path: resolve(path), how: readOnly ? 'read' : 'write' })),
    ...devices('/dev/null', '/dev/urandom'),
  ];
}

/** The files from which its guest boots. */
export const bootFiles = ({ kernel, initramfs, firmware = '' }: MachineSpec): VisibleFile[] =>
  readable(kernel, initramfs, firmware);

/** The devices among these that the host has. */
export const devices = (...paths: readonly string[]): VisibleFile[] =>
  paths.filter((path) => existsSync(path)).map((path) => ({ path, how: 'device' }));

/** The folders of a program that was installed outside the system's: its own, and those of its libraries and data. */
export function installation(binary: string): VisibleFile[] {
  const folder = dirname(resolve(binary));
  const others = ['share', 'lib', 'lib64', 'libexec'].map((name) => join(folder, '..', name));
  return [folder, ...others.filter((path) => existsSync(path))].map((path) => ({ path, how: 'program' }));
}
