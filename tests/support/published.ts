import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packAll } from '../../build/pack.ts';
import { startRegistry, type Registry } from './npm.ts';

/** A registry to which all packages of this checkout have been published. */
export async function registryWithPackages(): Promise<Registry> {
  const packed = await mkdtemp(join(tmpdir(), 'nova-packed-'));
  const registry = await startRegistry();
  try {
    for (const tarball of (await packAll(packed)).values()) await registry.publish(tarball);
    return registry;
  } catch (error) {
    await registry[Symbol.asyncDispose]();
    throw error;
  } finally {
    await rm(packed, { recursive: true, force: true });
  }
}

/** What a careful user compiles with. */
export const strictCompiler = {
  target: 'es2024',
  lib: ['es2024', 'esnext.disposable'],
  module: 'nodenext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true,
};

/** The command of this checkout's compiler, for a project. */
export const compileCommand: readonly string[] = [
  process.execPath,
  join(import.meta.dirname, '../../node_modules/typescript/bin/tsc'),
  '--project',
  '.',
];
