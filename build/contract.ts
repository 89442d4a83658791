import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The part of a route that its caller has to know. */
interface Route {
  readonly method: string;
  readonly path: string;
  readonly response?: object;
  readonly idempotent?: true;
}

const api = 'packages/protocol/src/api';

/** The table of routes that a client carries, in place of the whole one. */
export const routesModule = `${api}/routes.js`;

/**
 * The text of that module: the routes that the client calls, with what a caller has to know of them. What describes them, and all other routes, is of
 * use to the daemon and its documents alone.
 */
export async function routesOfClient(compiled: string): Promise<string> {
  const { routes } = (await import(pathToFileURL(join(compiled, routesModule)).href)) as {
    readonly routes: Readonly<Record<string, Route>>;
  };
  const named = await namedSchemas(compiled);
  const imports = new Map<string, Set<string>>();
  const entries = operationsIn(compiled)
    .filter((operation) => Object.hasOwn(routes, operation))
    .map((operation) => {
      const { method, path, response, idempotent } = routes[operation] as Route;
      const fields = [`method: '${method}'`, `path: '${path}'`];
      if (idempotent === true) fields.push('idempotent: true');
      if (response !== undefined) {
        const found = named.get(response);
        if (found === undefined) throw new Error(`The response of ${operation} has no name that can be imported.`);
        imports.set(found.file, (imports.get(found.file) ?? new Set()).add(found.name));
        fields.push(`response: ${found.name}`);
      }
      return `  ${operation}: { ${fields.join(', ')} },`;
    });
  const lines = [...imports].map(([file, names]) => `import { ${[...names].join(', ')} } from './${file}';`);
  return `${lines.join('\n')}\nexport const routes = {\n${entries.join('\n')}\n};\n`;
}

/** The words in the client's modules that may name an operation. */
function operationsIn(compiled: string): string[] {
  const words = globSync(join(compiled, 'packages/sdk/src/remote/*.js')).flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/'(\w+)'/g)].map(([, word = '']) => word),
  );
  return [...new Set(words)].toSorted();
}

/** Where the schemas of the contract can be imported from. */
async function namedSchemas(
  compiled: string,
): Promise<ReadonlyMap<object, { readonly file: string; readonly name: string }>> {
  const found = new Map<object, { file: string; name: string }>();
  for (const path of globSync(join(compiled, api, '*.js')).toSorted()) {
    const file = basename(path);
    if (file === 'index.js' || file === 'routes.js') continue;
    const module = (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>;
    for (const [name, value] of Object.entries(module))
      if (typeof value === 'object' && value !== null && !found.has(value)) found.set(value, { file, name });
  }
  return found;
}
