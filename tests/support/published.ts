import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packAll } from '../../build/pack.ts';
import { startRegistry, type Registry } from './npm.ts';

/** The environment variable of test files that names the folder with the tarballs of tests/suite/packed.ts. */
export const packedVariable = 'NOVA_TEST_PACKED';

/** A registry to which all packages of this checkout have been published. */
export async function registryWithPackages(): Promise<Registry> {
  const given = process.env[packedVariable];
  const packed = given ?? (await mkdtemp(join(tmpdir(), 'nova-packed-')));
  const registry = await startRegistry();
  try {
    if (given === undefined) await packAll(packed);
    for (const name of (await readdir(packed)).filter((file) => file.endsWith('.tgz')))
      await registry.publish(join(packed, name));
    return registry;
  } catch (error) {
    await registry[Symbol.asyncDispose]();
    throw error;
  } finally {
    if (given === undefined) await rm(packed, { recursive: true, force: true });
  }
}

/** Strict compiler options, as a careful user has them. */
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
