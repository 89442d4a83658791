import { Option, type Command } from 'commander';

/** Where to work: with a daemon, or in this process. */
export interface ConnectionFlags {
  readonly apiUrl?: string;
  readonly apiKey?: string;
  readonly embedded?: boolean;
}

const options = [
  ['--api-url <url>', 'work over the daemon at this address (default: NOVA_API_URL, else the one of this host)'],
  ['--api-key <key>', 'key for the daemon (better in NOVA_API_KEY)'],
  ['--embedded', 'work in this process, even if a daemon runs'],
] as const;

/** Takes the options before the verb, where help shows them, and after it, unless the verb has one of that name. */
export function addConnectionOptions(command: Command, how: { readonly hidden: boolean }): void {
  for (const [flags, description] of options) {
    const option = new Option(flags, description).hideHelp(how.hidden);
    if (!command.options.some(({ long }) => long === option.long)) command.addOption(option);
  }
}

/** The first word of a command line that is no option, nor the value of one before the verb. */
export function verbOf(argv: readonly string[]): string {
  const takesValue = (word: string | undefined): boolean => word === '--api-url' || word === '--api-key';
  const verb = argv.find((word, index) => !word.startsWith('-') && word !== 'help' && !takesValue(argv[index - 1]));
  return verb ?? '';
}
