import type { Command } from 'commander';
import { fieldOptions } from './sandbox-options.ts';

/** The fields of calls that an option sets, as errors name them. */
const fieldsOfCalls: Readonly<Record<string, readonly string[]>> = {
  envFile: ['env'],
  port: ['guestPort', 'server.port'],
  host: ['server.host'],
  volume: ['extraDrives'],
  workdir: ['cwd'],
  timeout: ['timeoutMs'],
  count: ['count'],
  description: ['description'],
  version: ['version'],
  sha256: ['sha256'],
  passwordStdin: ['password'],
  role: ['role'],
  team: ['team'],
  scope: ['scopes'],
  expires: ['expires_in_seconds'],
  apiUrl: ['apiUrl'],
  apiKey: ['apiKey', 'security.api_key'],
  apiKeyFile: ['apiKey', 'security.api_key'],
};

/** Returns the fields that an option sets: those of a sandbox's config, and those of calls. */
function fieldsOf(attribute: string): readonly string[] {
  const ofConfig = fieldOptions().filter(({ option }) => option.attributeName() === attribute);
  return [...ofConfig.map(({ field }) => field), ...(fieldsOfCalls[attribute] ?? [])];
}

/** Environment variables that set the same value as an option that is not given. */
const variables: Readonly<Record<string, string>> = { apiUrl: 'NOVA_API_URL', apiKey: 'NOVA_API_KEY' };

/** A message with fields renamed to options, and whether it is about an option that was typed. */
export interface InTypedWords {
  readonly message: string;
  readonly typed: boolean;
}

/** Replaces each field that a message names with the option or the environment variable that its value came from. */
export function inTypedWords(message: string, command: Command | undefined): InTypedWords {
  const options = typedOptions(command);
  const named: string[] = [];
  const text = message.replaceAll(
    /(^|: |; )([A-Za-z0-9]+)((?:\.[^\s:]+)?)(?=: )/g,
    (whole, before: string, field: string, within: string) => {
      const name = options.get(field + within) ?? options.get(field) ?? variables[field];
      if (name === undefined || (name.startsWith('NOVA_') && process.env[name] === undefined)) return whole;
      named.push(name);
      // Names the label or variable; for an item of a list, only its number is known.
      const part = options.has(field + within) || /^\.\d/.test(within) ? '' : within.replace('.', ' ');
      return `${before}${name}${part}`;
    },
  );
  // Elsewhere, only words that cannot be English are taken for fields.
  const inWords = text.replaceAll(/\b[a-z]+[A-Z]\w*\b/g, (word) => options.get(word) ?? word);
  return {
    message: inWords.replace(/^(sandbox config|config|body|command|fork|snapshot): (?=--|NOVA_)/, ''),
    typed: named.some((name) => name.startsWith('--')),
  };
}

/**
 * Finds the options on the command line, before the verb, after it or after its subcommand, by the fields that they
 * set.
 */
function typedOptions(command: Command | undefined): Map<string, string> {
  const found = new Map<string, string>();
  for (const each of command === undefined ? [] : [command.parent, command, ...command.commands]) {
    for (const option of each?.options ?? []) {
      const attribute = option.attributeName();
      if (each?.getOptionValueSource(attribute) !== 'cli') continue;
      for (const field of fieldsOf(attribute)) found.set(field, option.long ?? option.flags);
    }
  }
  return found;
}
