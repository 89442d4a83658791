import type { Command, Option } from 'commander';
import { verbOf } from '../args/connection-options.ts';

/** Sources of candidates other than the program itself. */
export interface CompletionSource {
  sandboxes(): Promise<readonly string[]>;
  templates(): Promise<readonly string[]>;
  snapshots(): Promise<readonly string[]>;
  volumes(): Promise<readonly string[]>;
  networks(): Promise<readonly string[]>;
  /** Ids of the commands in a sandbox. */
  commands(sandbox: string): Promise<readonly string[]>;
  eventTypes(): Promise<readonly string[]>;
  permissions(): Promise<readonly string[]>;
  /** Ids of API keys. */
  keys(): Promise<readonly string[]>;
  users(): Promise<readonly string[]>;
}

/** Asks the shell to complete file names. */
const files = ':files';

/**
 * Candidates for the last of `words`, which may be empty; the words before it are complete. `build` creates the program
 * with the definition of the verb that a word names.
 */
export async function completionCandidates(
  words: readonly string[],
  build: (verb: string) => Promise<Command>,
  source: CompletionSource,
): Promise<string[]> {
  const current = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const program = await build(verbOf(before));
  let command: Command = program;
  const positionals: string[] = [];
  let open: Option | undefined;
  for (const word of before) {
    if (open !== undefined) {
      open = undefined;
      continue;
    }
    // The words after `--` belong to the command that is run.
    if (word === '--') return [files];
    if (word.startsWith('-')) {
      const option = command.options.find(({ short, long }) => short === word || long === word);
      open = option?.required === true ? option : undefined;
      continue;
    }
    const inner = command.commands.find((each) => each.name() === word || each.alias() === word);
    if (inner === undefined) positionals.push(word);
    else command = inner;
  }
  const candidates =
    open !== undefined
      ? await valuesOf(open, command, positionals, source)
      : current.startsWith('-')
        ? optionsOf(command)
        : await positionalsOf(command, positionals, source);
  return candidates.filter((candidate) => candidate === files || candidate.startsWith(current));
}

async function valuesOf(
  option: Option,
  command: Command,
  [sandbox]: readonly string[],
  source: CompletionSource,
): Promise<readonly string[]> {
  if (option.argChoices !== undefined) return option.argChoices;
  switch (option.long) {
    case '--template':
      return source.templates();
    case '--snapshot':
      return source.snapshots();
    case '--network':
      return source.networks();
    case '--exec':
      return sandbox === undefined ? [] : source.commands(sandbox);
    case '--filter':
      return [
        ...(await source.sandboxes()).map((name) => `sandbox=${name}`),
        ...(await source.eventTypes()).map((type) => `type=${type}`),
      ];
    case '--user':
      return command.parent?.name() === 'key' ? source.users() : [files];
    case '--scope':
      return source.permissions();
    default:
      return [files];
  }
}

function optionsOf(command: Command): string[] {
  const own = command.options.filter((option) => !option.hidden).map(({ long, short }) => long ?? short ?? '');
  return [...own, '--help'];
}

async function positionalsOf(
  command: Command,
  before: readonly string[],
  source: CompletionSource,
): Promise<readonly string[]> {
  if (command.commands.length > 0) {
    return command.commands.map((each) => each.name()).filter((name) => !name.startsWith('_'));
  }
  const registered = command.registeredArguments;
  const last = registered.at(-1);
  const argument = registered[before.length] ?? (last?.variadic === true ? last : undefined);
  if (argument === undefined) return [];
  if (argument.argChoices !== undefined) return argument.argChoices;
  switch (argument.name()) {
    case 'sandbox':
      return source.sandboxes();
    case 'template':
      return source.templates();
    case 'snapshot':
      return source.snapshots();
    case 'volume':
      return source.volumes();
    case 'network':
      return source.networks();
    case 'command-id':
      return source.commands(before[0] ?? '');
    case 'key':
      return source.keys();
    case 'user':
      return source.users();
    case 'source':
    case 'destination':
      return [...(await placesToCopy(command, source)).map((name) => `${name}:`), files];
    default:
      return [files];
  }
}

/**
 * The names that can stand before the colon of a path: `nova volume cp` copies to and from volumes, `nova cp`
 * sandboxes.
 */
const placesToCopy = (command: Command, source: CompletionSource): Promise<readonly string[]> =>
  command.parent?.name() === 'volume' ? source.volumes() : source.sandboxes();
