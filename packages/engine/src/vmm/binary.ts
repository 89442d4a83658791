import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from './confine.ts';
import type { VmmProgram } from './vmm.ts';

/** Where a program was found, or why not. */
export type FoundBinary =
  | { readonly path: string; readonly source: 'environment' | 'setup' | 'path' }
  | { readonly path: null; readonly reason: string };

/** The version in use of what `nova setup` has installed below `vmmDirectory`. */
export const currentVersion = (vmmDirectory: string, release: string): string => join(vmmDirectory, release, 'current');

/**
 * Finds a program: the one that its environment variable names, else the one that `nova setup` has installed below
 * `vmmDirectory` (layout.ts), else the one in PATH. A variable that names nothing that can be run is an error, and
 * never passed over.
 */
export function findBinary({ name, variable, release, install }: VmmProgram, vmmDirectory: string): FoundBinary {
  const named = variable === null ? undefined : process.env[variable];
  if (named !== undefined && named !== '')
    return isExecutable(named)
      ? { path: named, source: 'environment' }
      : { path: null, reason: `${variable} names ${named}, which is no program that can be run` };
  const installed = release === null ? null : join(currentVersion(vmmDirectory, release), name);
  // The path of the version's own folder stays right when another version becomes the current one.
  if (installed !== null && isExecutable(installed)) return { path: realpathSync(installed), source: 'setup' };
  const inPath = findProgram(name);
  if (inPath !== null) return { path: inPath, source: 'path' };
  const orName = variable === null ? '' : `, or name it in ${variable}`;
  return { path: null, reason: `${name} is not installed: ${install}${orName}` };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
