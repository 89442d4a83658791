import type { Command } from 'commander';
import { parseMemorySize } from '../args/memory-size.ts';
import { parseWholeNumber } from '../args/whole-number.ts';
import { showCommandOutput } from '../logs/command-output.ts';
import { showConsole } from '../logs/console.ts';
import { openEngine } from '../open-engine.ts';
import { findCommand } from '../process/find-command.ts';
import { Interrupts } from '../process/interrupts.ts';
import { UsageError } from '../usage-error.ts';

interface Options {
  readonly vmm?: boolean;
  readonly exec?: number;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  readonly follow?: boolean;
  readonly tail?: number;
  readonly size?: number;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .option('--vmm', "the hypervisor's own log instead of the guest's console")
    .option('--exec <id>', 'the output of a command instead, also after its end', parseWholeNumber)
    .option('--stdout', 'of a command: only its stdout')
    .option('--stderr', 'of a command: only its stderr')
    .option('-f, --follow', 'continue until Ctrl-C or the end of the sandbox or command')
    .option(
      '-n, --tail <lines>',
      'only the last lines; of a command those of stdout and those of stderr',
      parseWholeNumber,
    )
    .option('--size <size>', 'how much of the end of a log: MiB (default: 1)', parseMemorySize)
    .option('--json', 'print as JSON; with --follow one document a line')
    .addHelpText(
      'after',
      `
The console shows what the guest's kernel and agent print, but not the output of commands: "nova exec -d" prints the id of its
command, "nova ps box" lists them. The guest keeps the newest 64 KiB of stdout and of stderr while a command runs and ten
minutes longer; lost output is reported on stderr. A slow reader with --follow makes the command wait.

Examples:
  nova logs box
  nova logs --vmm box
  nova logs -f box
  nova logs --exec 7 --tail 20 --follow box`,
    )
    .action((ref: string, options: Options) => logs(ref, options));
}

async function logs(ref: string, options: Options): Promise<void> {
  const { vmm = false, exec, stdout = false, stderr = false, follow = false, tail, size, json = false } = options;
  if (exec === undefined && (stdout || stderr)) throw new UsageError('--stdout and --stderr are for --exec.');
  if (exec !== undefined && (vmm || size !== undefined))
    throw new UsageError('--exec goes with neither --vmm nor --size.');
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  if (exec === undefined) {
    return await showConsole(engine, ref, { vmm, follow, tail, json, sizeMib: size ?? 1 }, interrupts);
  }
  const { execId } = await findCommand(engine, ref, exec, interrupts.signal);
  const both = stdout === stderr;
  const channels = [...(both || stdout ? (['stdout'] as const) : []), ...(both || stderr ? (['stderr'] as const) : [])];
  await showCommandOutput(engine, ref, execId, { follow, tail, channels, json }, interrupts);
}
