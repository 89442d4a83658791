import { isNovaError, NovaError } from '@novasandbox/protocol';

/** Which environment variable a field's value came from, by `section.field`. */
export type Origins = ReadonlyMap<string, string>;

/** Returns an error of the configuration that names, beside each wrong field, the variable that set it. */
export function nameOrigins(error: unknown, origins: Origins): unknown {
  if (!isNovaError(error, 'invalid_argument') || !Array.isArray(error.details['issues'])) return error;
  let { message } = error;
  for (const { field, problem } of error.details['issues'] as readonly { field: string; problem: string }[]) {
    const origin = originOf(field, problem, origins);
    if (origin !== undefined) message = message.replace(`${field}: ${problem}`, `${field} (${origin}): ${problem}`);
  }
  return new NovaError(error.code, message, { cause: error, hint: error.hint, details: error.details });
}

function originOf(field: string, problem: string, origins: Origins): string | undefined {
  const [section = '', name] = field.split('.');
  if (name !== undefined) return origins.get(`${section}.${name}`);
  // An unknown field is reported by its section.
  return [...origins].find(([place]) => {
    const [of, unknown = ''] = place.split('.');
    return of === section && problem.includes(`"${unknown}"`);
  })?.[1];
}
