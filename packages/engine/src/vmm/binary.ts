import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from './confine.ts';

/** Programs that NovaSandbox starts and does not bring along. */
export const vmmPrograms = ['firecracker', 'jailer', 'cloud-hypervisor', 'vfkit'] as const;
export type VmmProgram = (typeof vmmPrograms)[number];

/** Where a program was found, or why not. */
export type FoundBinary =
  | { readonly path: string; readonly source: 'environment' | 'setup' | 'path' }
  | { readonly path: null; readonly reason: string };

/** Environment variables that name a program of one's own. */
export const binaryVariables: Readonly<Record<VmmProgram, string>> = {
  firecracker: 'NOVA_FIRECRACKER',
  jailer: 'NOVA_JAILER',
  'cloud-hypervisor': 'NOVA_CLOUD_HYPERVISOR',
  vfkit: 'NOVA_VFKIT',
};

/** Which release of a VMM a program belongs to: Firecracker and its jailer are set up together. */
const releaseOf: Readonly<Record<VmmProgram, string>> = {
  firecracker: 'firecracker',
  jailer: 'firecracker',
  'cloud-hypervisor': 'cloud-hypervisor',
  vfkit: 'vfkit',
};

/** How to get a program, for people. */
export const howToInstall: Readonly<Record<VmmProgram, string>> = {
  firecracker: 'nova setup firecracker',
  jailer: 'nova setup firecracker',
  'cloud-hypervisor': 'nova setup cloud-hypervisor',
  vfkit: 'brew install vfkit',
};

/** The version in use of what `nova setup` has installed below `vmmDirectory`. */
export const currentVersion = (vmmDirectory: string, release: string): string => join(vmmDirectory, release, 'current');

/**
 * Finds a program: what its environment variable names, else what `nova setup` has installed below `vmmDirectory` (layout.ts), else in PATH.
 * A variable that names nothing that can be run is told, never passed over.
 */
export function findBinary(program: VmmProgram, vmmDirectory: string): FoundBinary {
  const variable = binaryVariables[program];
  const named = process.env[variable];
  if (named !== undefined && named !== '')
    return isExecutable(named)
      ? { path: named, source: 'environment' }
      : { path: null, reason: `${variable} names ${named}, which is no program that can be run` };
  const installed = join(currentVersion(vmmDirectory, releaseOf[program]), program);
  // The version's own folder: what runs stays the same when another version is set up.
  if (isExecutable(installed)) return { path: realpathSync(installed), source: 'setup' };
  const inPath = findProgram(program);
  if (inPath !== null) return { path: inPath, source: 'path' };
  return { path: null, reason: `${program} is not installed: ${howToInstall[program]}, or name it in ${variable}` };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
