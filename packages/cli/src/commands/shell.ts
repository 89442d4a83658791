import type { Command } from 'commander';
import { parseVariable } from '../args/key-value.ts';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { runCommand } from '../process/run-command.ts';

interface Options {
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly workdir?: string;
}

export function define(command: Command): void {
  command
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .option(
      '-e, --env <NAME=value>',
      'environment variable, may be repeated; NAME alone passes yours on',
      parseVariable,
    )
    .option('-u, --user <user>', "user to run as (default: the sandbox's)")
    .option('-w, --workdir <path>', 'directory the shell starts in')
    .addHelpText(
      'after',
      `
Runs bash if the sandbox has it, otherwise sh. The sandbox stays when the shell ends; with "nova run -it" it is removed.

Examples:
  nova shell box
  nova shell -u root -w /etc box`,
    )
    .action((sandbox: string, options: Options) => shell(sandbox, options));
}

async function shell(ref: string, { env, user, workdir }: Options): Promise<void> {
  // Loaded only here: help does not need it.
  const { loginShell } = await import('@novasandbox/protocol');
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  const options = { interactive: true, tty: true, ...(workdir === undefined ? {} : { workdir }) };
  process.exitCode = await runCommand(engine, ref, { argv: loginShell, env, user, options }, interrupts);
}
