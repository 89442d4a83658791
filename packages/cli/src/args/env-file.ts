import { InvalidArgumentError } from 'commander';
import { readSmallFile } from './small-file.ts';

type Pairs = Readonly<Record<string, string>>;

const largestBytes = 1 << 20;

/**
 * One assignment, from the start of a line: a name, then a value in double quotes, in single quotes, or up to the end
 * of the line.
 */
const assignment =
  /(?:export[ \t]+)?([^\s=#'"]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\[^])*)"|'([^']*)'|((?![ \t]*["'])[^\n]*))[ \t]*(?:#[^\n]*)?(?:\n|$)/y;
/** Empty lines and comments. */
const nothing = /(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*(?:#[^\n]*$)?/y;

/**
 * Adds the variables of a file: `NAME=value` on each line, with or without `export`, and comments after `#`. Values are
 * not expanded, and nothing is taken from our own environment: the file may belong to a project that is not trusted.
 */
export function parseEnvFile(path: string, before: Pairs = {}): Pairs {
  const text = readSmallFile(path, largestBytes).replaceAll(/\r\n?/g, '\n');
  const found: Record<string, string> = { ...before };
  for (let at = endOf(nothing, text, 0); at < text.length;) {
    assignment.lastIndex = at;
    const [, name, double, single, plain] = assignment.exec(text) ?? [];
    if (name === undefined) throw new InvalidArgumentError(complaint(text, at));
    found[name] = double === undefined ? (single ?? withoutComment(plain ?? '')) : unescape(double);
    at = endOf(nothing, text, assignment.lastIndex);
  }
  return found;
}

function endOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

/** A `#` inside a word is part of the word. */
const withoutComment = (value: string): string => value.replace(/(^|[ \t]+)#.*$/, '').trimEnd();

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', $: '$' };

const unescape = (value: string): string =>
  value.replaceAll(/\\([^])/g, (whole, character: string) => escapes[character] ?? whole);

function complaint(text: string, at: number): string {
  const line = text.slice(at).split('\n')[0] ?? '';
  const where = `Line ${text.slice(0, at).split('\n').length}`;
  // The line itself is not shown because it may contain a secret.
  return /^(export[ \t]+)?[^\s=#'"]+[ \t]*$/.test(line)
    ? `${where} has a name and no value: write NAME=value, or use -e NAME to pass on your own value.`
    : `${where} is not NAME=value, or its quotes are not closed.`;
}
