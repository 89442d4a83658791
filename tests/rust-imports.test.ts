import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');

/**
 * The modules of the Rust programs import in one direction: a reader has to know the modules that one names, and none
 * that name it. Declarations with `mod` are not imports. Methods that `impl Agent` adds need no import either: `begin`
 * (methods.rs) and the loop (run.rs) call them.
 */
for (const crate of ['guest/agent/src', 'host/confine/src', 'host/listen/src']) {
  test(`the modules of ${crate} import one way`, () => {
    const files = globSync('**/*.rs', { cwd: join(root, crate) }).filter((file) => !file.endsWith('tests.rs'));
    const imports = new Map(files.map((file) => [file, importsOf(crate, file, new Set(files))]));
    assert.ok(
      [...imports.values()].some((found) => found.size > 1),
      'imports are found',
    );
    assert.deepEqual(circles(imports), []);
  });
}

/** The files that a file imports from. */
function importsOf(crate: string, file: string, files: ReadonlySet<string>): Set<string> {
  const text = readFileSync(join(root, crate, file), 'utf8')
    .replaceAll(/\/\/.*$/gm, '')
    .replace(/#\[cfg\(test\)\]\nmod tests \{[\s\S]*/, '');
  const statements = [...text.matchAll(/\buse ([^;]+);/g)].flatMap(([, tree]) => pathsOf(tree ?? ''));
  const inline = [...text.matchAll(/\b(?:crate|super)(?:::[A-Za-z_]\w*)+/g)].map(([path]) => path);
  const found = [...statements, ...inline].map((path) => fileOf(path.split('::'), file, files));
  return new Set(found.filter((each) => each !== null).filter((each) => each !== file));
}

/** The paths of a tree such as `crate::a::{self, b::C}`. */
function pathsOf(tree: string): string[] {
  const flat = tree.replaceAll(/\s+/g, '');
  const brace = flat.indexOf('{');
  if (brace < 0) return [flat];
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const letter of flat.slice(brace + 1, -1)) {
    if (letter === '{') depth++;
    if (letter === '}') depth--;
    if (letter === ',' && depth === 0) {
      parts.push(part);
      part = '';
    } else part += letter;
  }
  return [...parts, part]
    .filter((each) => each !== '')
    .flatMap((each) => pathsOf(each).map((rest) => flat.slice(0, brace) + rest));
}

/** The file of a path: that of the last module in it. */
function fileOf(path: readonly string[], from: string, files: ReadonlySet<string>): string | null {
  const folder = dirname(from);
  const isBelow = (name: string): boolean =>
    files.has(join(folder, `${name}.rs`)) || files.has(join(folder, name, 'mod.rs'));
  const [first = ''] = path;
  if (first !== 'crate' && first !== 'super' && !isBelow(first)) return null;
  let at = first === 'crate' ? '.' : folder;
  if (first === 'super' && from.endsWith('/mod.rs')) at = dirname(folder);
  let file = at === '.' ? null : join(at, 'mod.rs');
  for (const name of first === 'crate' || first === 'super' ? path.slice(1) : path) {
    if (files.has(join(at, `${name}.rs`))) return join(at, `${name}.rs`);
    if (!files.has(join(at, name, 'mod.rs'))) break;
    at = join(at, name);
    file = join(at, 'mod.rs');
  }
  return file;
}

/** Groups of files that import each other, directly or indirectly. */
function circles(imports: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const reach = (from: string): Set<string> => {
    const seen = new Set<string>();
    const open = [...(imports.get(from) ?? [])];
    for (let file = open.pop(); file !== undefined; file = open.pop()) {
      if (seen.has(file)) continue;
      seen.add(file);
      open.push(...(imports.get(file) ?? []));
    }
    return seen;
  };
  const reached = new Map([...imports.keys()].map((file) => [file, reach(file)]));
  const groups = [...imports.keys()]
    .filter((file) => reached.get(file)?.has(file))
    .map((file) =>
      [...(reached.get(file) ?? [])]
        .filter((other) => reached.get(other)?.has(file))
        .toSorted()
        .join(' '),
    );
  return [...new Set(groups)];
}
