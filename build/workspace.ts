import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The checkout. */
export const root = join(import.meta.dirname, '..');

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly imports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** A package of the workspace. */
export interface Workspace extends Manifest {
  /** Below the root, such as `packages/sdk`. */
  readonly folder: string;
}

/** The packages of the workspace. */
export const workspaces: readonly Workspace[] = globSync('packages/*/package.json', { cwd: root })
  .toSorted()
  .map((file) => ({ ...readManifest(file), folder: dirname(file) }));

/** The version of all of them: they are released together. */
export const version: string = readManifest('package.json').version;

function readManifest(file: string): Manifest {
  return JSON.parse(readFileSync(join(root, file), 'utf8')) as Manifest;
}

/** The source that the name of a package of the workspace stands for, such as `@novasandbox/protocol/api`; null for any other name. */
export function sourceOf(specifier: string): string | null {
  for (const { name, folder, exports = {} } of workspaces) {
    if (specifier !== name && !specifier.startsWith(`${name}/`)) continue;
    const target = exports[`.${specifier.slice(name.length)}`];
    if (target === undefined) throw new Error(`${name} does not export ${specifier}.`);
    return join(folder, target);
  }
  return null;
}

/** The file that `#name` stands for in a source of the workspace. */
export function privateSourceOf(specifier: string, source: string): string {
  const workspace = workspaces.find(({ folder }) => source.startsWith(`${folder}/`));
  const target = workspace?.imports?.[specifier];
  if (workspace === undefined || target === undefined)
    throw new Error(`${source} imports ${specifier}, which is not declared.`);
  return join(workspace.folder, target);
}

/** The pinned version of a dependency. */
export function versionOf(dependency: string): string {
  for (const { dependencies = {} } of workspaces) {
    const found = dependencies[dependency];
    if (found !== undefined) return found;
  }
  throw new Error(`No package of the workspace depends on ${dependency}.`);
}
