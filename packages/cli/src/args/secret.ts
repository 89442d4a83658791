import type { Command } from 'commander';
import type { SecretInput } from '@novasandbox/protocol';
import { UsageError } from '../usage-error.ts';
import { readSmallFile } from './small-file.ts';

/** The words that say where secrets are. */
export interface SecretOptions {
  readonly secret?: readonly string[];
}

const largestBytes = 8192;

/** Adds the option that gives the guest of a new sandbox a secret. */
export const addSecretOption = (command: Command): Command =>
  command.option(
    '--secret <name@host>',
    'let requests over HTTPS to this host have a secret that the guest does not have: its value is that of the variable NAME, or NAME=env:OTHER@HOST, NAME=file:PATH@HOST; may be repeated',
    (word: string, before: readonly string[] | undefined) => [...(before ?? []), word],
  );

/**
 * Reads `NAME@HOST`, with several hosts behind commas and a port behind a colon where wanted. The value is that of the
 * variable NAME, of another one, or of a file, because everybody on this host can see command lines.
 * @throws UsageError
 */
export function parseSecret(word: string): SecretInput {
  const [, name = '', source, hosts = ''] = /^([A-Za-z_]\w*)(?:=((?:env|file):[^@]+))?@(.+)$/s.exec(word) ?? [];
  // Neither we nor commander show the word itself, because it may hold the value by mistake.
  if (name === '') throw new UsageError('A secret is written NAME@HOST, NAME=env:OTHER@HOST or NAME=file:PATH@HOST.');
  return {
    name,
    value:
      source?.startsWith('file:') === true
        ? fromFile(source.slice('file:'.length))
        : fromVariable(source?.slice('env:'.length) ?? name),
    hosts: hosts.split(',').map((each) => {
      const [, host = each, port] = /^(.*?)(?::(\d+))?$/s.exec(each) ?? [];
      return port === undefined ? { host } : { host, port: Number(port) };
    }),
  };
}

/** A file ends with a line break, which is not part of the value. */
const fromFile = (path: string): string => readSmallFile(path, largestBytes).replace(/\r?\n$/, '');

function fromVariable(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new UsageError(`The variable ${name} is not set.`);
  return value;
}
