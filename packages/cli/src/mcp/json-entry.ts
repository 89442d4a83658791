import { applyEdits, modify, parseTree, printParseErrorCode, type ParseError } from 'jsonc-parser';
import { NovaError } from '@novasandbox/protocol';

/** Sets a value in a JSON document, which may have comments. Values and comments beside it stay. */
export const jsonWith = (text: string, path: readonly string[], value: unknown): string =>
  edited(text.trim() === '' ? '{}\n' : text, path, value);

/** Takes a value out of a JSON document. */
export const jsonWithout = (text: string, path: readonly string[]): string =>
  text.trim() === '' ? text : edited(text, path, undefined);

function edited(text: string, path: readonly string[], value: unknown): string {
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { allowTrailingComma: true });
  const [error] = errors;
  if (error !== undefined || tree?.type !== 'object') {
    const why = error === undefined ? 'it is no object' : `${printParseErrorCode(error.error)} at ${error.offset}`;
    throw new NovaError('invalid_argument', `The file is no JSON that could be changed: ${why}.`, {
      hint: 'Mend the file, or add the server by hand.',
    });
  }
  const indent = /^( +|\t)"/m.exec(text)?.[1] ?? '  ';
  const formattingOptions = { insertSpaces: indent !== '\t', tabSize: indent.length, eol: '\n' };
  return applyEdits(text, modify(text, [...path], value, { formattingOptions }));
}
