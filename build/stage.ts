import { cpSync, globSync, mkdirSync, writeFileSync, copyFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fieldsModule, fieldsOfClient } from './client-fields.ts';
import { errorsModule, errorsOfClient } from './client-hints.ts';
import { schemasOfClient } from './client-schemas.ts';
import { routesOfClient } from './contract.ts';
import { collectModules, placeOf, type Module, type Replacements } from './modules.ts';
import type { Published } from './published.ts';
import { root, version, versionOf } from './workspace.ts';

/**
 * Creates a package in a folder as it will be in the tarball.
 * @param compiled folder with the output of `compile`
 */
export async function stage(wanted: Published, compiled: string, folder: string): Promise<void> {
  const { programs } = wanted;
  const replacements: Replacements = {
    privateNames: wanted.imports,
    standIns: wanted.standIns,
    texts: wanted.isClient
      ? {
          ...(await routesOfClient(compiled)),
          [fieldsModule]: await fieldsOfClient(compiled),
          [errorsModule]: await errorsOfClient(compiled),
        }
      : {},
    shorten: wanted.isClient ? schemasOfClient : (text) => text,
  };
  const entries = Object.values(wanted.exports);
  const code = collectModules(compiled, [...entries, ...programs], replacements, 'programs');
  const types = collectModules(compiled, entries, replacements, 'types');
  for (const module of [...code.modules, ...types.modules]) writeModule(folder, module);
  for (const file of globSync([...wanted.data], { cwd: join(root, 'packages') })) {
    copy(`packages/${file}`, join(folder, placeOf(`packages/${file}`)));
  }
  for (const each of wanted.folders) copy(each, join(folder, each));
  for (const [place, files] of Object.entries(wanted.carried))
    for (const file of files) copy(`node_modules/${file}`, join(folder, place, file));
  copy('LICENSE', join(folder, 'LICENSE'));
  copy(wanted.readme, join(folder, 'README.md'));
  const dependencies = [...code.dependencies, ...types.dependencies];
  const privateNames = Object.fromEntries([...code.privateNames, ...types.privateNames]);
  const manifest = {
    name: wanted.name,
    version,
    description: wanted.description,
    license: 'MIT',
    type: 'module',
    engines: wanted.engines,
    sideEffects: false,
    ...(Object.keys(wanted.bin).length === 0 ? {} : { bin: wanted.bin }),
    exports: { ...mapValues(wanted.exports, target), './package.json': './package.json' },
    ...(Object.keys(privateNames).length === 0 ? {} : { imports: mapValues(privateNames, target) }),
    dependencies: Object.fromEntries([...new Set(dependencies)].toSorted().map((name) => [name, versionOf(name)])),
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Returns the paths under which `import` and the type checker find the compiled source. */
function target(source: string): { readonly types: string; readonly default: string } {
  const module = `./${placeOf(source).replace(/\.ts$/, '')}`;
  return { types: `${module}.d.ts`, default: `${module}.js` };
}

function mapValues<T>(of: Readonly<Record<string, string>>, change: (value: string) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(of).map(([name, value]) => [name, change(value)]));
}

function writeModule(folder: string, { path, text, map }: Module): void {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  if (map !== null) copyFileSync(map, `${file}.map`);
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(join(root, from), to, { recursive: true });
}
