import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The part of a row that checks and converts values. */
interface Row {
  readonly schema: unknown;
  readonly rest: string | null;
  readonly wire?: { readonly schema: unknown; readonly codec: string };
  readonly hostAlone?: object;
}

/** The table of config fields, which is replaced by a smaller one in the client. */
export const fieldsModule = 'packages/protocol/src/config/fields.js';

/**
 * Returns the text of the client's module: of each row, only the parts that check and send values. Descriptions are
 * needed only by the command line and the documents. A schema's source is copied as written: it is a function that
 * depends only on its argument.
 */
export async function fieldsOfClient(compiled: string): Promise<string> {
  const { fields } = (await import(pathToFileURL(join(compiled, fieldsModule)).href)) as {
    readonly fields: Readonly<Record<string, Row>>;
  };
  // A call takes less space than an object with names.
  const rows = Object.entries(fields).map(([name, { schema, rest, wire, hostAlone }]) => {
    const given = [JSON.stringify(rest), String(schema)];
    if (wire !== undefined) given.push(`{ codec: '${wire.codec}', schema: ${String(wire.schema)} }`);
    else if (hostAlone !== undefined) given.push('undefined', '{}');
    return `  ${name}: row(${given.join(', ')}),`;
  });
  const row = 'const row = (rest, schema, wire, hostAlone) => ({ rest, schema, wire, hostAlone });';
  return `${row}\nexport const fields = {\n${rows.join('\n')}\n};\n`;
}
