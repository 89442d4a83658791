import { Option, type Command } from 'commander';
import { parseKeyFile } from './key-file.ts';

/** Selects a daemon or the engine of this process. */
export interface ConnectionFlags {
  readonly apiUrl?: string;
  readonly apiKey?: string;
  /** Content of the key file. */
  readonly apiKeyFile?: string;
  readonly embedded?: boolean;
}

/** Also used for the options of `nova serve`. */
export const keyOptions = {
  key: '--api-key <key>',
  file: '--api-key-file <file>',
} as const;

const options = [
  ['--api-url <url>', 'work over the daemon at this address (default: NOVA_API_URL, else the daemon of this host)'],
  [keyOptions.file, 'file that holds the key for the daemon (default: NOVA_API_KEY)'],
  [keyOptions.key, 'the key itself, which every user of this machine can then read'],
  ['--embedded', 'work in this process, even if a daemon runs'],
] as const;

/**
 * Adds the options before the verb, where help shows them, and after it, unless the verb has an option of the same
 * name.
 */
export function addConnectionOptions(command: Command, how: { readonly hidden: boolean }): void {
  for (const [flags, description] of options) {
    const option = new Option(flags, description).hideHelp(how.hidden);
    if (flags === keyOptions.file) option.argParser(parseKeyFile).conflicts('apiKey');
    if (!command.options.some(({ long }) => long === option.long)) command.addOption(option);
  }
}

/** Returns the first word of a command line that is neither an option nor the value of an option before the verb. */
export function verbOf(argv: readonly string[]): string {
  const takesValue = (word = ''): boolean => ['--api-url', '--api-key', '--api-key-file'].includes(word);
  const verb = argv.find((word, index) => !word.startsWith('-') && word !== 'help' && !takesValue(argv[index - 1]));
  return verb ?? '';
}
