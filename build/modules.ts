import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { privateSourceOf, root, sourceOf } from './workspace.ts';

/** A file of a published package that other files import or that imports others. */
export interface Module {
  /** Path in the package. */
  readonly path: string;
  readonly text: string;
  /** Where its source map lies, if it has one. */
  readonly map: string | null;
}

/** Modules, and the packages that they import. */
export interface ModuleGraph {
  readonly modules: readonly Module[];
  readonly dependencies: ReadonlySet<string>;
  /** The `#name`s in use, with the sources they stand for. */
  readonly privateNames: ReadonlyMap<string, string>;
}

/** Where a module of the workspace lies in the package. */
export const placeOf = (source: string): string => source.replace(/^packages\/(\w+)\/src\//, 'dist/$1/');

/** The name of what only a checkout has: no package declares it, so importing it fails whatever lies around the package. */
const onlyInCheckout = '#only-in-checkout';

/** `'./x.ts'` in the source is `'./x.js'` in what was compiled. */
const compiledName = (source: string): string => source.replace(/\.ts$/, '.js');
const typesOf = (module: string): string => module.replace(/\.js$/, '.d.ts');

/** Replaces what the sources say by what the package has. */
export interface Replacements {
  readonly privateNames: Readonly<Record<string, string>>;
  readonly standIns: Readonly<Record<string, string>>;
  /** Texts of modules, by the path of the module they replace. */
  readonly texts: Readonly<Record<string, string>>;
}

/**
 * The modules that the entries lead to, with the names in them changed: what lies in another package of the workspace is named by its place in this
 * package.
 * @param kind the programs, or the declarations of their types
 */
export function collectModules(
  compiled: string,
  entries: readonly string[],
  { privateNames, standIns, texts }: Replacements,
  kind: 'programs' | 'types',
): ModuleGraph {
  const fileOf = (source: string): string => {
    const module = compiledName(source);
    return kind === 'types' && module.endsWith('.js') ? typesOf(module) : module;
  };
  const modules = new Map<string, Module>();
  const dependencies = new Set<string>();
  const used = new Map<string, string>();
  const waiting = entries.map((source) => compiledName(source));
  for (let source = waiting.pop(); source !== undefined; source = waiting.pop()) {
    const path = placeOf(fileOf(source));
    if (modules.has(path)) continue;
    const importer = source;
    const found = findCompiled(compiled, fileOf(source));
    const replaced = kind === 'programs' ? texts[source] : undefined;
    const text = renameImports(replaced ?? readFileSync(found, 'utf8'), (specifier) => {
      if (specifier.startsWith('node:')) return specifier;
      if (specifier.startsWith('#')) {
        const target = privateNames[specifier] ?? privateSourceOf(specifier, importer);
        used.set(specifier, target);
        waiting.push(compiledName(target));
        return specifier;
      }
      const target = specifier.startsWith('.')
        ? compiledName(normalize(join(dirname(importer), specifier)))
        : ((kind === 'programs' ? standIns[specifier] : undefined) ?? sourceOf(specifier));
      if (target === null) {
        dependencies.add(packageOf(specifier));
        return specifier;
      }
      if (!target.startsWith('packages/')) return onlyInCheckout;
      waiting.push(compiledName(target));
      const between = relative(dirname(path), placeOf(compiledName(target)));
      return between.startsWith('.') ? between : `./${between}`;
    });
    modules.set(path, {
      path,
      text,
      map: replaced === undefined && existsSync(`${found}.map`) ? `${found}.map` : null,
    });
  }
  return { modules: [...modules.values()], dependencies, privateNames: used };
}

/** Files that are not TypeScript are taken from the sources unchanged. */
function findCompiled(compiled: string, file: string): string {
  const found = [join(compiled, file), join(root, file)].find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${file} was not compiled.`);
  return found;
}

const packageOf = (specifier: string): string => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;

/** The compiler puts what is imported on one line, with the name last; comments are left alone. */
function renameImports(text: string, rename: (specifier: string) => string): string {
  return text
    .split('\n')
    .map((line) =>
      /^\s*(\*|\/\/|\/\*)/.test(line)
        ? line
        : line.replaceAll(
            /(\bfrom\s+|\bimport\(\s*|^import\s+)(['"])([^'"]+)\2/g,
            (_, before: string, quote: string, specifier: string) => `${before}${quote}${rename(specifier)}${quote}`,
          ),
    )
    .join('\n');
}
