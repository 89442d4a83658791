import { fields, type Field } from '@novasandbox/protocol/fields';
import { wireShape } from '@novasandbox/protocol/api';
import * as z from 'zod';

/** Generates the module with the arguments of Python's `create`. */
export function pythonModule(): string {
  const classes: string[] = [];
  const names: string[] = [];
  const options = Object.values<Field>(fields).flatMap(({ rest, python, about, unit, alias }) => {
    if (rest === null) return [];
    // The template is an argument of its own.
    if (alias !== undefined) {
      names.push(`    "${alias}_id": "${alias}_id",`);
      return [`    #: Another name of \`${rest}\`.`, `    ${alias}_id: Optional[str]`];
    }
    const name = python ?? rest;
    names.push(`    "${name}": "${rest}",`);
    const schema = z.toJSONSchema(wireShape[rest as keyof typeof wireShape], { io: 'input', unrepresentable: 'any' });
    const inUnit = unit === undefined ? '' : `, in ${unit === 'ms' ? 'seconds' : unit}`;
    const text = `${about.charAt(0).toUpperCase()}${about.slice(1)}${inUnit}.`;
    return [`    #: ${text}`, `    ${name}: Optional[${typeOf(schema, nameOfClass(rest), classes)}]`];
  });
  return `"""Fields of a sandbox's config, written by build/write-field-documents.ts of the repository from its table of them."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, Union

from typing_extensions import TypedDict

${classes.map((each) => `\n${each}\n`).join('\n')}

class ConfigOptions(TypedDict, total=False):
    """What a sandbox is made of. Everything has a default; sizes default to the template's."""

${options.join('\n')}


#: What each is called in a request.
request_names: Mapping[str, str] = {
${names.join('\n')}
}
`;
}

type Json = Pick<z.core.JSONSchema.JSONSchema, 'type' | 'properties' | 'items' | 'anyOf'>;

const types: Readonly<Record<string, string>> = { string: 'str', integer: 'int', number: 'float', boolean: 'bool' };

/**
 * Returns the type of a field in Python. An object with fields of its own becomes a class, which is added to `classes`.
 */
function typeOf({ type, properties, items, anyOf }: Json, name: string, classes: string[]): string {
  // A document beside a name: its fields are for the daemon to check.
  if (anyOf?.some((each) => (each as Json).type === 'object') === true) return 'Union[str, Mapping[str, Any]]';
  if (type === 'array') return `Sequence[${typeOf((items ?? {}) as Json, `${name}Item`, classes)}]`;
  if (properties !== undefined) {
    const members = Object.entries(properties).map(
      ([member, schema]) => `    ${member}: Optional[${typeOf(schema as Json, name + nameOfClass(member), classes)}]`,
    );
    classes.push(
      [`class ${name}(TypedDict, total=False):`, `    """A part of the config."""`, '', ...members].join('\n'),
    );
    return name;
  }
  if (type === 'object') return 'Mapping[str, str]';
  return types[String(type)] ?? 'str';
}

const nameOfClass = (name: string): string =>
  name.replaceAll(/(^|_)([a-z])/g, (_, _before, letter: string) => letter.toUpperCase());
