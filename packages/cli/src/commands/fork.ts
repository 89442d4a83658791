import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { Engine } from '@novasandbox/engine';
import type { ForkInput, SandboxInfo } from '@novasandbox/protocol';
import { addCommandOptions, commandWords, type CommandOptions } from '../args/command-options.ts';
import { parseDuration } from '../args/duration.ts';
import { parseLabel, parseVariable } from '../args/key-value.ts';
import { parseWholeNumber } from '../args/whole-number.ts';
import { notTheCommandExitCode } from '../exit-codes.ts';
import { runInChildren } from '../fork/run-in-children.ts';
import { isGone } from '../is-gone.ts';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { reportError } from '../render/error.ts';
import { printJson } from '../render/json.ts';
import { showProgress } from '../render/progress.ts';
import { asStep } from '../render/step.ts';
import { UsageError } from '../usage-error.ts';

interface Options extends CommandOptions {
  readonly count: number;
  readonly name?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly ttl?: number;
  readonly user?: string;
  readonly keep?: boolean;
  readonly keepSecrets?: boolean;
  readonly quiet?: boolean;
}

export function define(command: Command): void {
  addCommandOptions(command)
    .argument('<sandbox>', 'id, beginning of an id, or name of a running sandbox')
    .argument('[command...]', 'after --: command to run in each child, which is then removed')
    .option('-n, --count <count>', 'number of children, all from one instant', parseWholeNumber, 1)
    .option('--name <name>', 'name of the child; of several, the beginning: <name>-1, <name>-2')
    .option('--label <key=value>', 'label of the children, may be repeated', parseLabel)
    .option('-e, --env <NAME=value>', 'environment variable of their commands, may be repeated', parseVariable)
    .option('--ttl <time>', 'time that the children live, such as 30s or 2h (0: no limit)', parseDuration)
    .option('-u, --user <user>', "user that the command runs as (default: the sandbox's)")
    .option('--keep', 'with a command: leave the children')
    .option('--keep-secrets', 'give the children the secrets of the sandbox too')
    .option('-q, --quiet', 'no progress')
    .addHelpText(
      'after',
      `
Makes running copies of a running sandbox, with its memory, processes and files and an identity of their own. The sandbox goes on.
Prints the ids of the children, which live until "nova rm". With a command, runs it in each child, and then removes the child; lines
of several children begin with their number, which the command finds in NOVA_FORK_INDEX. The exit code is the command's, or that of
the first child whose command failed; 125: NovaSandbox failed.

Examples:
  nova fork box
  nova fork box --count 3 --name try
  nova fork box -- ./risky-migration.sh
  nova fork box -n 4 -- sh -c './solve --seed $NOVA_FORK_INDEX'`,
    )
    .action((sandbox: string, words: string[], options: Options) => fork(sandbox, commandWords(words), options));
}

async function fork(ref: string, argv: readonly string[], options: Options): Promise<void> {
  const { count, interactive, tty, keep } = options;
  if (argv.length === 0 && [interactive, tty, keep].includes(true))
    throw new UsageError('--interactive, --tty and --keep are for a command: nova fork box -- make test.');
  if (count !== 1 && [interactive, tty].includes(true))
    throw new UsageError('--interactive and --tty are for one child: leave --count out.');
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  try {
    const children = await forkChildren(engine, ref, options, interrupts.signal);
    if (argv.length > 0) await runAndRemove(engine, children, argv, options, interrupts);
    else if (options.json === true) printJson(children);
    else process.stdout.write(children.map(({ id }) => `${printable(id)}\n`).join(''));
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}

/** Makes the children and reports those that could not be made. */
async function forkChildren(
  engine: Engine,
  ref: string,
  options: Options,
  signal: AbortSignal,
): Promise<SandboxInfo[]> {
  const { count, name, label, env, ttl, keepSecrets, quiet = false, json = false } = options;
  const how: ForkInput = {
    count,
    ...(keepSecrets === undefined ? {} : { keepSecrets }),
    ...(name === undefined ? {} : { name }),
    ...(label === undefined ? {} : { labels: label }),
    ...(env === undefined ? {} : { env }),
    ...(ttl === undefined ? {} : { timeoutMs: ttl }),
  };
  using progress = showProgress({ quiet: quiet || json });
  const context = { signal, progress: progress.sink };
  const step = { step: 'fork', label: `Forking ${ref}` };
  const forks = await asStep(progress.sink, step, () => engine.snapshots.fork(ref, how, context));
  for (const { error } of forks)
    if (error !== null) process.exitCode = await reportError(error, { json, exitCode: notTheCommandExitCode });
  return forks.flatMap(({ sandbox }) => sandbox ?? []);
}

async function runAndRemove(
  engine: Engine,
  children: readonly SandboxInfo[],
  argv: readonly string[],
  options: Options,
  interrupts: Interrupts,
): Promise<void> {
  try {
    const exitCode = await runInChildren(
      engine,
      children,
      { argv, user: options.user, options },
      options.count,
      interrupts,
    );
    process.exitCode ??= exitCode;
  } finally {
    if (options.keep !== true) await removeAll(engine, children);
  }
}

async function removeAll(engine: Engine, children: readonly SandboxInfo[]): Promise<void> {
  const removals = children.map(({ id }) => engine.sandboxes.remove(id, { force: true }));
  for (const removal of await Promise.allSettled(removals))
    if (removal.status === 'rejected' && !isGone(removal.reason)) throw removal.reason;
}
