import type { Command } from 'commander';
import { addCommandOptions, commandWords, type CommandOptions } from '../args/command-options.ts';
import { parseEnvFile } from '../args/env-file.ts';
import { parseVariable } from '../args/key-value.ts';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { runCommand, runCommandForJson, toRequest } from '../process/run-command.ts';
import { printJson } from '../render/json.ts';
import { UsageError } from '../usage-error.ts';

interface Options extends CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly envFile?: Readonly<Record<string, string>>;
  readonly user?: string;
}

export function define(command: Command): void {
  addCommandOptions(command)
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .argument('<command...>', 'command and its arguments')
    .option('-d, --detach', 'leave the command running and print its id')
    .option(
      '-e, --env <NAME=value>',
      'environment variable, may be repeated; NAME alone passes yours on',
      parseVariable,
    )
    .option('--env-file <file>', 'file of NAME=value lines, may be repeated', parseEnvFile)
    .option('-u, --user <user>', "user to run as (default: the sandbox's)")
    .passThroughOptions()
    .addHelpText(
      'after',
      `
The exit code is the command's; 124: its time limit was reached, 125: NovaSandbox failed, 126: it cannot be executed,
127: it was not found. Ctrl-C goes to the command; a second one ends it.
"nova logs --exec" and "nova attach" take the id that --detach prints; "nova ps box" lists the commands. With --interactive the
command's stdin stays open for "nova attach", and with --tty it has a terminal.

Examples:
  nova exec box -- ls -la /home/user
  nova exec -it box bash
  tar c . | nova exec -i -w /tmp box -- tar x
  nova exec -u root -e DEBIAN_FRONTEND=noninteractive box -- apt-get update
  nova exec --timeout 30s --json box -- python3 script.py
  nova logs --follow --exec $(nova exec -d box -- make) box`,
    )
    .action((sandbox: string, words: string[], options: Options) => exec(sandbox, commandWords(words), options));
}

async function exec(ref: string, argv: readonly string[], options: Options): Promise<void> {
  if (argv.length === 0) throw new UsageError('Say what to run: nova exec box -- ls.');
  const env = { ...options.envFile, ...options.env };
  const command = { argv, env, user: options.user, options };
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  try {
    if (options.detach === true) {
      const started = await engine.exec.startDetached(ref, await toRequest(command), { signal: interrupts.signal });
      if (options.json === true) printJson(started);
      else process.stdout.write(`${started.execId}\n`);
    } else if (options.json === true) {
      process.exitCode = await runCommandForJson(engine, ref, command, interrupts, async () => ({}));
    } else {
      process.exitCode = await runCommand(engine, ref, command, interrupts);
    }
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}
