import type { Command, Option } from 'commander';
import { verbOf } from '../args/connection-options.ts';
import { buildProgram } from '../program.ts';
import { verbNamed } from '../verbs.ts';

/** What the candidates are made of besides the program itself. */
export interface CompletionSource {
  sandboxes(): Promise<readonly string[]>;
  templates(): Promise<readonly string[]>;
}

/** Asks the shell for its file names. */
const files = ':files';

/** Candidates for the last of `words`, which may be empty; the ones before it are complete. */
export async function completionCandidates(words: readonly string[], source: CompletionSource): Promise<string[]> {
  const current = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const program = await buildProgram(verbNamed(verbOf(before)));
  let command: Command = program;
  let positionals = 0;
  let open: Option | undefined;
  for (const word of before) {
    if (open !== undefined) {
      open = undefined;
      continue;
    }
    // What follows belongs to the command that is run.
    if (word === '--') return [files];
    if (word.startsWith('-')) {
      const option = command.options.find(({ short, long }) => short === word || long === word);
      open = option?.required === true ? option : undefined;
      continue;
    }
    const inner = command.commands.find((each) => each.name() === word || each.alias() === word);
    if (inner === undefined) positionals += 1;
    else command = inner;
  }
  const candidates =
    open !== undefined
      ? await valuesOf(open, source)
      : current.startsWith('-')
        ? optionsOf(command)
        : await positionalsOf(command, positionals, source);
  return candidates.filter((candidate) => candidate === files || candidate.startsWith(current));
}

async function valuesOf(option: Option, source: CompletionSource): Promise<readonly string[]> {
  if (option.argChoices !== undefined) return option.argChoices;
  return option.long === '--template' ? source.templates() : [files];
}

function optionsOf(command: Command): string[] {
  const own = command.options.filter((option) => !option.hidden).map(({ long, short }) => long ?? short ?? '');
  return [...own, '--help'];
}

async function positionalsOf(command: Command, position: number, source: CompletionSource): Promise<readonly string[]> {
  if (command.commands.length > 0) {
    return command.commands.map((each) => each.name()).filter((name) => !name.startsWith('_'));
  }
  const registered = command.registeredArguments;
  const last = registered.at(-1);
  const argument = registered[position] ?? (last?.variadic === true ? last : undefined);
  if (argument === undefined) return [];
  if (argument.argChoices !== undefined) return argument.argChoices;
  switch (argument.name()) {
    case 'sandbox':
      return source.sandboxes();
    case 'template':
      return source.templates();
    case 'source':
    case 'destination':
      return [...(await source.sandboxes()).map((name) => `${name}:`), files];
    default:
      return [files];
  }
}
