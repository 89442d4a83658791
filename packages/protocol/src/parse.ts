import type * as z from 'zod';
import { NovaError } from './errors.ts';
import { nearest } from './nearest.ts';

/** Keeps error messages small, however much is wrong. */
const maxIssues = 20;
const maxTextLength = 200;

/**
 * Parses data from outside. Invalid data throws an `invalid_argument` that names the field. Only the first 20 problems
 * are reported.
 */
export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const result = schema.safeParse(value, { error: nameUnknownKeys });
  if (result.success) return result.data;
  const found = result.error.issues;
  const issues = found.slice(0, maxIssues).map((issue) => ({
    field: short(issue.path.join('.')),
    problem: short(problemOf(issue)),
  }));
  const texts = issues.map(({ field, problem }) => (field === '' ? problem : `${field}: ${problem}`));
  if (found.length > maxIssues) texts.push(`and ${found.length - maxIssues} more`);
  throw new NovaError('invalid_argument', `${what}: ${texts.join('; ')}`, { details: { issues } });
}

/** For a key of a record, zod only reports that it is invalid; the reason is in the inner issue. */
function problemOf(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
}

/** For unknown keys of an object, suggests the known keys that were probably meant; undefined keeps zod's message. */
function nameUnknownKeys({ code, keys, inst }: z.core.$ZodRawIssue): string | undefined {
  if (code !== 'unrecognized_keys' || !Array.isArray(keys)) return undefined;
  const known = Object.keys((inst as z.ZodObject | undefined)?.shape ?? {});
  return (keys as readonly string[])
    .slice(0, maxIssues)
    .map((key) => {
      const meant = nearest(key, known);
      const unknown = `unknown key ${JSON.stringify(short(key))}`;
      return meant === undefined ? unknown : `${unknown}; did you mean ${JSON.stringify(meant)}?`;
    })
    .join(', ');
}

function short(text: string): string {
  return text.length <= maxTextLength ? text : `${text.slice(0, maxTextLength).toWellFormed()}...`;
}
