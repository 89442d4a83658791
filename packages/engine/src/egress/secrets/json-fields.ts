/** The same as V8's own, which the library of types does not know yet. */
interface ExactJson {
  parse(
    text: string,
    revive: (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
}
const exact = JSON as unknown as ExactJson;

/**
 * Replaces a text within the strings of fields of a document of JSON, such as `auth.token`; a field of the elements of
 * a list is named as if there were no list. Numbers stay as they are written. Null: it is no JSON, or nothing was
 * replaced.
 */
export function replaceInFields(
  body: Buffer,
  fields: readonly string[],
  wanted: string,
  instead: string,
): Buffer | null {
  let document: unknown;
  try {
    // A number that does not fit into one of ours keeps its digits.
    document = exact.parse(body.toString(), (_key, value, { source }) =>
      typeof value === 'number' && source !== undefined ? exact.rawJSON(source) : value,
    );
  } catch {
    return null;
  }
  let isReplaced = false;
  const walk = (value: unknown, path: readonly string[]): unknown => {
    if (typeof value === 'string') {
      if (!fields.includes(path.join('.')) || !value.includes(wanted)) return value;
      isReplaced = true;
      return value.replaceAll(wanted, () => instead);
    }
    if (Array.isArray(value)) return value.map((each) => walk(each, path));
    if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, walk(each, [...path, key])]));
  };
  const replaced = walk(document, []);
  return isReplaced ? Buffer.from(JSON.stringify(replaced)) : null;
}
