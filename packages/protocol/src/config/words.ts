import { isNovaError, NovaError } from '../errors.ts';
import type { Field } from './field.ts';
import { fields } from './fields.ts';

type Names = ReadonlyMap<string, string>;

const carried = Object.entries<Field>(fields).flatMap(([name, { rest }]) =>
  rest === null ? [] : [[name, rest] as const],
);
const restNames: Names = new Map(carried);
const libraryNames: Names = new Map(carried.map(([name, rest]) => [rest, name]));

/** Makes an error about the engine's config name the fields as clients of REST know them. */
export const inWordsOfRest = (error: unknown): unknown => renamed(error, restNames);

/** Makes an error about the body of a create request name the fields as callers of the library know them. */
export const inWordsOfLibrary = (error: unknown): unknown => renamed(error, libraryNames);

function renamed(error: unknown, names: Names): unknown {
  if (!isNovaError(error)) return error;
  const { code, details } = error;
  const told = { message: inWords(error.message, names), hint: inWords(error.hint, names) };
  const { issues } = details;
  if (told.message === error.message && told.hint === error.hint && !Array.isArray(issues)) return error;
  const renamedIssues = Array.isArray(issues) ? { issues: issues.map((issue) => renamedIssue(issue, names)) } : {};
  return new NovaError(code, told.message, {
    cause: error,
    hint: told.hint,
    details: { ...details, ...renamedIssues },
  });
}

function renamedIssue(issue: { readonly field?: unknown; readonly problem?: unknown }, names: Names): object {
  const [field = '', ...within] = String(issue.field).split('.');
  return {
    ...issue,
    field: [names.get(field) ?? field, ...within].join('.'),
    problem: inWords(String(issue.problem), names),
  };
}

/**
 * Replaces names. A field is matched before the colon of a message about it; a name that is not an English word
 * (`memoryMb`, `memory_mb`) is matched anywhere.
 */
function inWords(text: string, names: Names): string {
  return text
    .replaceAll(
      /(^|: |; )(\w+)(?=(?:\.[^\s:]+)?: )/g,
      (_, before: string, name: string) => before + (names.get(name) ?? name),
    )
    .replaceAll(/\b[a-z]+(?:[A-Z]|_[a-z])\w*/g, (name) => names.get(name) ?? name);
}
