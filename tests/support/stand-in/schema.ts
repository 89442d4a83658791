/** A condensed description of JSON that a VMM's API accepts. Fields that are not named are refused. */
export type Schema =
  | { readonly type: 'string'; readonly oneOf?: readonly string[] }
  | { readonly type: 'boolean' }
  | { readonly type: 'integer'; readonly min?: number; readonly max?: number }
  | { readonly type: 'list'; readonly of: Schema }
  | {
      readonly type: 'object';
      readonly fields: Readonly<Record<string, Schema>>;
      readonly required: readonly string[];
    };

export const string: Schema = { type: 'string' };
export const boolean: Schema = { type: 'boolean' };
export const integer: Schema = { type: 'integer' };
export const oneOf = (...values: readonly string[]): Schema => ({ type: 'string', oneOf: values });
export const list = (of: Schema): Schema => ({ type: 'list', of });
/** @param required names of the required fields */
export const object = (fields: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema => ({
  type: 'object',
  fields,
  required,
});

/** The error of a value, with its path; null when there is none. */
export function whatIsWrong(schema: Schema, value: unknown, at = 'body'): string | null {
  switch (schema.type) {
    case 'string':
      if (typeof value !== 'string') return `${at}: not a string`;
      return schema.oneOf?.includes(value) === false ? `${at}: unknown variant \`${value}\`` : null;
    case 'boolean':
      return typeof value === 'boolean' ? null : `${at}: not a boolean`;
    case 'integer':
      if (!Number.isSafeInteger(value)) return `${at}: not an integer`;
      return Number(value) < (schema.min ?? 0) || Number(value) > (schema.max ?? Number.MAX_SAFE_INTEGER)
        ? `${at}: out of range`
        : null;
    case 'list':
      if (!Array.isArray(value)) return `${at}: not a list`;
      return first(value.map((each, index) => whatIsWrong(schema.of, each, `${at}[${index}]`)));
    case 'object': {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${at}: not an object`;
      const missing = schema.required.find((name) => !(name in value));
      if (missing !== undefined) return `${at}: missing field \`${missing}\``;
      return first(
        Object.entries(value).map(([name, each]) => {
          const field = schema.fields[name];
          if (field === undefined) return `${at}: unknown field \`${name}\``;
          // Optional fields may be null.
          if (each === null && !schema.required.includes(name)) return null;
          return whatIsWrong(field, each, `${at}.${name}`);
        }),
      );
    }
  }
}

const first = (found: readonly (string | null)[]): string | null => found.find((each) => each !== null) ?? null;
