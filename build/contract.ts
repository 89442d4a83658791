import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The part of a route that a caller needs. */
interface Route {
  readonly method: string;
  readonly path: string;
  readonly response?: object;
  readonly idempotent?: true;
}

const api = 'packages/protocol/src/api';

/** The beginning of most paths, which the client's tables abbreviate. */
const prefix = '/vms/{id}';

const remote = 'packages/sdk/src/remote';

/**
 * The modules with tables of routes, which are replaced by smaller ones in the client, with the name of the table and
 * the folder of the code that uses it.
 */
const tables = {
  [`${api}/routes.js`]: { table: 'routes', callers: remote },
  [`${api}/administration-routes.js`]: { table: 'administrationRoutes', callers: `${remote}/administration` },
};

/**
 * Returns the texts of the client's modules, by path: the routes that the client calls, with the parts that a caller
 * needs. Their descriptions and all other routes are needed only by the daemon and its documents.
 */
export async function routesOfClient(compiled: string): Promise<Readonly<Record<string, string>>> {
  const texts = Object.entries(tables).map(
    async ([module, { table, callers }]) => [module, await tableOf(compiled, table, callers)] as const,
  );
  return Object.fromEntries(await Promise.all(texts));
}

async function tableOf(compiled: string, table: string, callers: string): Promise<string> {
  const { routes } = (await import(pathToFileURL(join(compiled, `${api}/routes.js`)).href)) as {
    readonly routes: Readonly<Record<string, Route>>;
  };
  const named = await namedSchemas(compiled);
  const imports = new Map<string, Set<string>>();
  const entries = operationsIn(compiled, callers)
    .filter((operation) => Object.hasOwn(routes, operation))
    .map((operation) => {
      const { method, path, response, idempotent } = routes[operation] as Route;
      const given = [`'${method} ${path.replace(prefix, '~')}'`];
      if (response !== undefined) {
        const found = named.get(response);
        if (found === undefined) throw new Error(`The response of ${operation} has no name that can be imported.`);
        imports.set(found.file, (imports.get(found.file) ?? new Set()).add(found.name));
        given.push(found.name);
        if (idempotent === true) given.push('true');
      } else if (idempotent === true) throw new Error(`${operation} has no response that could be repeated.`);
      return `  ${operation}: route(${given.join(', ')}),`;
    });
  const lines = [...imports].map(([file, names]) => `import { ${[...names].join(', ')} } from './${file}';`);
  // A call with a short text for each row takes less space than an object with names.
  const route = `function route(text, response, idempotent) {
  const [method, path] = text.replace('~', '${prefix}').split(' ');
  return { method, path, response, idempotent };
}`;
  return `${lines.join('\n')}\n${route}\nexport const ${table} = {\n${entries.join('\n')}\n};\n`;
}

/** Finds the words in a folder's modules that may name an operation. */
function operationsIn(compiled: string, folder: string): string[] {
  const words = globSync(join(compiled, folder, '*.js')).flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/'(\w+)'/g)].map(([, word = '']) => word),
  );
  return [...new Set(words)].toSorted();
}

/** Finds the modules from which the schemas of the contract can be imported. */
async function namedSchemas(
  compiled: string,
): Promise<ReadonlyMap<object, { readonly file: string; readonly name: string }>> {
  const found = new Map<object, { file: string; name: string }>();
  for (const path of globSync(join(compiled, api, '*.js')).toSorted()) {
    const file = basename(path);
    if (['index.js', 'routes.js', 'administration-routes.js'].includes(file)) continue;
    const module = (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>;
    for (const [name, value] of Object.entries(module))
      if (typeof value === 'object' && value !== null && !found.has(value)) found.set(value, { file, name });
  }
  return found;
}
