import type * as z from 'zod';
import { NovaError } from './errors.ts';

/** An answer that tells what is wrong stays small, however much is wrong. */
const maxIssues = 20;
const maxTextLength = 200;

/**
 * Parses what comes over a boundary; what does not fit is an `invalid_argument` that names the field. Tells of the
 * first 20 faults alone.
 */
export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const result = schema.safeParse(value);
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

/** Zod says of a name in a record only that it is invalid; the reason lies within. */
function problemOf(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
}

function short(text: string): string {
  return text.length <= maxTextLength ? text : `${text.slice(0, maxTextLength).toWellFormed()}...`;
}
