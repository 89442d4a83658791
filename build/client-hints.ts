import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The table of errors. */
export const errorsModule = 'packages/protocol/src/errors.js';

interface Row {
  readonly status: number;
  readonly hint: string;
}

/**
 * Returns the text of the client's module, with hints only for the errors that the client itself throws. All others
 * come from a daemon, which sends their hints along.
 */
export async function errorsOfClient(compiled: string): Promise<string> {
  const { errorTable } = (await import(pathToFileURL(join(compiled, errorsModule)).href)) as {
    readonly errorTable: Readonly<Record<string, Row>>;
  };
  const thrown = codesIn(compiled);
  const told: Record<string, readonly [number, string]> = {};
  const silent: Record<number, string> = {};
  for (const [code, { status, hint }] of Object.entries(errorTable)) {
    if (thrown.has(code)) told[code] = [status, hint];
    else silent[status] = silent[status] === undefined ? code : `${silent[status]} ${code}`;
  }
  const text = readFileSync(join(compiled, errorsModule), 'utf8');
  const table = /(?<=^export const errorTable = )\{[\s\S]*?^\}(?=;$)/m;
  if (!table.test(text)) throw new Error(`The table of errors is not found in ${errorsModule}.`);
  const small = `tableOf(${JSON.stringify(silent)}, ${JSON.stringify(told)})`;
  return `${text.replace(table, (found) => small + lines(found))}\n${tableOf}`;
}

/** As a function it can be used before its place in the module, which leaves the lines above as they are. */
const tableOf = `function tableOf(silent, told) {
  const rows = Object.entries(silent).flatMap(([status, codes]) => codes.split(' ').map((code) => [code, [+status, '']]));
  return Object.fromEntries([...rows, ...Object.entries(told)].map(([code, [status, hint]]) => [code, { status, hint }]));
}
`;

/** The ends of lines in a text: line numbers stay the same because source maps refer to them. */
const lines = (text: string): string => text.replaceAll(/[^\n]/g, '');

/** Modules that the client leaves out, or has in another form. */
const notInClient = ['packages/sdk/src/workspace/**', 'packages/protocol/src/{errors,storage-errors,config/fields}.js'];

/** Code that only compares an error's code. */
const comparison = /\bisNovaError\([^)]*\)|[!=]== '\w+'/g;

/**
 * Finds the words in modules of the client, and in modules of the contract that it may contain, that may be error
 * codes.
 */
function codesIn(compiled: string): ReadonlySet<string> {
  const modules = ['packages/sdk/src/**/*.js', 'packages/protocol/src/**/*.js'];
  const words = globSync(modules, { cwd: compiled, exclude: notInClient })
    .map((file) => readFileSync(join(compiled, file), 'utf8').replaceAll(comparison, ''))
    .flatMap((text) => [...text.matchAll(/['"](\w+)['"]/g)].map(([, word = '']) => word));
  // The table's own module creates these two from anything that was thrown.
  return new Set(['internal', 'cancelled', ...words]);
}
