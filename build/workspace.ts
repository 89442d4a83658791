import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Root of the checkout. */
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
  /** Path below the root, such as `packages/sdk`. */
  readonly folder: string;
}

/** The packages of the workspace; those beside `packages/` are not published. */
const workspaces: readonly Workspace[] = globSync(['packages/*/package.json', '{bench,lab,tests}/package.json'], {
  cwd: root,
})
  .toSorted()
  .map((file) => ({ ...readManifest(file), folder: dirname(file) }));

/** The version of all packages, which are released together. */
export const version: string = readManifest('package.json').version;

function readManifest(file: string): Manifest {
  return JSON.parse(readFileSync(join(root, file), 'utf8')) as Manifest;
}

/**
 * Returns the source for the name of a package of the workspace, such as `@novasandbox/protocol/api`; null for any
 * other name.
 */
export function sourceOf(specifier: string): string | null {
  for (const { name, folder, exports = {} } of workspaces) {
    if (specifier !== name && !specifier.startsWith(`${name}/`)) continue;
    const target = exports[`.${specifier.slice(name.length)}`];
    if (target === undefined) throw new Error(`${name} does not export ${specifier}.`);
    return join(folder, target);
  }
  return null;
}

/** Returns the file to which `#name` refers in a source of the workspace. */
export function privateSourceOf(specifier: string, source: string): string {
  const workspace = workspaces.find(({ folder }) => source.startsWith(`${folder}/`));
  const target = workspace?.imports?.[specifier];
  if (workspace === undefined || target === undefined)
    throw new Error(`${source} imports ${specifier}, which is not declared.`);
  return join(workspace.folder, target);
}

/** The compiled files to which the `#name`s of all sources refer, relative to the folder with the compiled sources. */
export function compiledPrivateNames(): Readonly<Record<string, string>> {
  const entries = workspaces.flatMap(({ folder, imports = {} }) =>
    Object.entries(imports).map(([name, target]) => [name, `./${join(folder, target).replace(/\.ts$/, '.js')}`]),
  );
  return Object.fromEntries(entries) as Record<string, string>;
}

/** The pinned version of a dependency. */
export function versionOf(dependency: string): string {
  for (const { dependencies = {} } of workspaces) {
    const found = dependencies[dependency];
    if (found !== undefined) return found;
  }
  throw new Error(`No package of the workspace depends on ${dependency}.`);
}
