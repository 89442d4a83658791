import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { privateSourceOf, root, sourceOf } from './workspace.ts';

/** A file of a published package that imports other files or is imported by them. */
export interface Module {
  /** Path within the package. */
  readonly path: string;
  readonly text: string;
  /** Path of its source map, or null. */
  readonly map: string | null;
}

/** Modules, and the packages that they import. */
export interface ModuleGraph {
  readonly modules: readonly Module[];
  readonly dependencies: ReadonlySet<string>;
  /** The `#name`s in use, with the sources to which they refer. */
  readonly privateNames: ReadonlyMap<string, string>;
}

/** Returns the path in the package of a module of the workspace. */
export const placeOf = (source: string): string => source.replace(/^packages\/(\w+)\/src\//, 'dist/$1/');

/**
 * The name for modules that exist only in a checkout. No package declares it, so importing it fails in any
 * surroundings.
 */
const onlyInCheckout = '#only-in-checkout';

/** `'./x.ts'` in the source is `'./x.js'` in the compiled code. */
const compiledName = (source: string): string => source.replace(/\.ts$/, '.js');
const typesOf = (module: string): string => module.replace(/\.js$/, '.d.ts');

/** Replacements of parts of the sources by parts of the package. */
export interface Replacements {
  readonly privateNames: Readonly<Record<string, string>>;
  readonly standIns: Readonly<Record<string, string>>;
  /** Replacement texts of modules, by the path of the module. */
  readonly texts: Readonly<Record<string, string>>;
  /** Removes the parts of a module that its package does not need, but keeps the number of lines. */
  readonly shorten: (text: string) => string;
}

/**
 * Collects the modules that can be reached from the entries and adjusts the names in their imports: a module of another
 * package of the workspace is imported by its path in this package.
 * @param kind programs, or the type declarations
 */
export function collectModules(
  compiled: string,
  entries: readonly string[],
  { privateNames, standIns, texts, shorten }: Replacements,
  kind: 'programs' | 'types',
): ModuleGraph {
  const fileOf = (source: string): string => {
    const module = compiledName(source);
    return kind === 'types' && module.endsWith('.js') ? typesOf(module) : module;
  };
  const whole = (text: string): string => (kind === 'programs' ? shorten(text) : text);
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
    const text = renameImports(replaced ?? whole(readFileSync(found, 'utf8')), (specifier) => {
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

/** Finds a compiled file. Files that are not TypeScript are taken from the sources unchanged. */
function findCompiled(compiled: string, file: string): string {
  const found = [join(compiled, file), join(root, file)].find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${file} was not compiled.`);
  return found;
}

const packageOf = (specifier: string): string => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;

/** Renames imports. The compiler puts each import on one line with the name last; comments are left alone. */
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
