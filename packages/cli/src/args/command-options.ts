import type { Command } from 'commander';
import { parseDuration } from './duration.ts';

/** The options parsed by `addCommandOptions`. */
export interface CommandOptions {
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly detach?: boolean;
  readonly workdir?: string;
  readonly timeout?: number;
  readonly json?: boolean;
}

/** Adds the options that control how a command runs. */
export function addCommandOptions(command: Command): Command {
  return command
    .option('-i, --interactive', 'pass stdin to the command')
    .option('-t, --tty', 'give the command a terminal')
    .option('-w, --workdir <path>', 'directory the command runs in')
    .option('--timeout <time>', 'time limit of the command, such as 30s; it then exits with 124', parseDuration)
    .option('--json', 'print the result as JSON when the command has ended');
}

/** Returns the words of the command, without a leading `--`. */
export function commandWords(words: readonly string[]): string[] {
  return words[0] === '--' ? words.slice(1) : [...words];
}
