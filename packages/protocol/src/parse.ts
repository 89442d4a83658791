import type { z } from 'zod';
import { NovaError } from './errors.ts';

/** Parses what comes over a boundary; what does not fit is an `invalid_argument` that names the field. */
export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map((issue) => ({ field: issue.path.join('.'), problem: issue.message }));
  const text = issues.map(({ field, problem }) => (field === '' ? problem : `${field}: ${problem}`)).join('; ');
  throw new NovaError('invalid_argument', `${what}: ${text}`, { details: { issues } });
}
