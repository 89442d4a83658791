import { Option, type Command } from 'commander';
import { defaultDetachKeys, parseDetachKeys } from '../args/detach-keys.ts';
import { parseWholeNumber } from '../args/whole-number.ts';
import { openEngine } from '../open-engine.ts';
import { attachToCommand } from '../process/attach-to-command.ts';
import { findCommand } from '../process/find-command.ts';
import { Interrupts } from '../process/interrupts.ts';

interface Options {
  readonly fromStart?: boolean;
  readonly stdin: boolean;
  readonly signals: boolean;
  readonly detachKeys: readonly number[];
}

export function define(command: Command): void {
  command
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .argument('[command-id]', 'id of the command (default: the one that runs)', parseWholeNumber)
    .option('--from-start', 'show the output so far first, as far as the guest keeps it')
    .option('--no-stdin', 'do not pass stdin to the command')
    .option('--no-signals', 'Ctrl-C detaches at once and does not reach the command')
    .addOption(
      new Option('--detach-keys <keys>', 'keys that detach from a terminal')
        .argParser(parseDetachKeys)
        .default(defaultDetachKeys, 'ctrl-p,ctrl-q'),
    )
    .addHelpText(
      'after',
      `
Joins a running command: shows its output from now on, passes stdin to it if it was started with --interactive, and exits
with its exit code. "nova ps box" lists the commands of a sandbox; "nova exec -d" prints the id of the one it starts.

A command with a terminal gets every key, Ctrl-C too; Ctrl-P Ctrl-Q detaches from it. Without a terminal the first Ctrl-C
goes to the command, and a second one detaches. The command also continues when "nova attach" ends in another way.

Examples:
  nova attach box
  nova attach --from-start box 7
  id=$(nova exec -d -it box bash) && nova attach box $id`,
    )
    .action((ref: string, id: number | undefined, options: Options) => attach(ref, id, options));
}

async function attach(ref: string, id: number | undefined, options: Options): Promise<void> {
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  const { fromStart = false, stdin, signals, detachKeys } = options;
  const command = await findCommand(engine, ref, id, interrupts.signal);
  const how = { fromStart, stdin, signals, detachKeys };
  process.exitCode = await attachToCommand(engine, ref, command, how, interrupts);
}
