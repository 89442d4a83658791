import { InvalidArgumentError } from 'commander';

type Pairs = Readonly<Record<string, string>>;

/** Adds `key=value` to the pairs given before. */
export function parseLabel(text: string, before: Pairs = {}): Pairs {
  const equals = text.indexOf('=');
  if (equals <= 0) throw new InvalidArgumentError('Give it as key=value.');
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
}

/**
 * Adds `NAME=value` to the pairs given before; `NAME` alone takes the value from the caller's own environment, as in
 * docker.
 */
export function parseVariable(text: string, before: Pairs = {}): Pairs {
  if (text.includes('=')) return parseLabel(text, before);
  if (text === '') throw new InvalidArgumentError('Give it as NAME=value, or NAME.');
  const value = process.env[text];
  return value === undefined ? before : { ...before, [text]: value };
}
