import { Option, type Command } from 'commander';
import { parseKeyFile } from './key-file.ts';

/** Where to work: with a daemon, or in this process. */
export interface ConnectionFlags {
  readonly apiUrl?: string;
  readonly apiKey?: string;
  /** The key that the file holds. */
  readonly apiKeyFile?: string;
  readonly embedded?: boolean;
}

/** Of a daemon's own options too. */
export const keyOptions = {
  key: '--api-key <key>',
  file: '--api-key-file <file>',
} as const;

const options = [
  ['--api-url <url>', 'work over the daemon at this address (default: NOVA_API_URL, else the one of this host)'],
  [keyOptions.file, 'file that holds the key for the daemon (default: NOVA_API_KEY)'],
  [keyOptions.key, 'the key itself, which every user of this machine can then read'],
  ['--embedded', 'work in this process, even if a daemon runs'],
] as const;

/** Takes the options before the verb, where help shows them, and after it, unless the verb has one of that name. */
export function addConnectionOptions(command: Command, how: { readonly hidden: boolean }): void {
  for (const [flags, description] of options) {
    const option = new Option(flags, description).hideHelp(how.hidden);
    if (flags === keyOptions.file) option.argParser(parseKeyFile).conflicts('apiKey');
    if (!command.options.some(({ long }) => long === option.long)) command.addOption(option);
  }
}

/** The first word of a command line that is no option, nor the value of one before the verb. */
export function verbOf(argv: readonly string[]): string {
  const takesValue = (word = ''): boolean => ['--api-url', '--api-key', '--api-key-file'].includes(word);
  const verb = argv.find((word, index) => !word.startsWith('-') && word !== 'help' && !takesValue(argv[index - 1]));
  return verb ?? '';
}
