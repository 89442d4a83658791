import { Command, CommanderError } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import { addConnectionOptions, verbOf, type ConnectionFlags } from './args/connection-options.ts';
import { connectAs } from './open-engine.ts';
import { verbNamed, verbs } from './verbs.ts';
import { usageExitCode } from './exit-codes.ts';
import { outputExitCode, tellOutputFailed } from './output-failed.ts';
import { version } from './version.ts';

/** Runs one command line; resolves to the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  // A reader that closes the pipe (`nova ls | head -1`) is no error. Commands that have to clean up install their own
  // listener first.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (stream.listenerCount('error') === 1) process.exit(tellOutputFailed(error));
    });
  }
  const called = verbNamed(verbOf(argv));
  const program = await buildProgram(called);
  try {
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync(asksAboutNoVerb(argv, called) ? [called] : [...argv], { from: 'user' });
    await flush();
    // The listener has already reported it.
    return process.stdout.errored ? outputExitCode(process.stdout.errored) : Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageExitCode;
    const { reportError } = await import('./render/error.ts');
    const command = program.commands.find((each) => each.name() === called) ?? program;
    const exitCode = await reportError(error, {
      json: wantsJson(command),
      exitCode: verbs[called]?.errorExitCode ?? 1,
      command,
    });
    await flush();
    return exitCode;
  }
}

/** Builds the whole program. Only the verb that `word` names is loaded; names suffice for the others. */
export async function buildProgram(word: string): Promise<Command> {
  const called = verbNamed(word);
  const program = new Command('nova')
    .description('Runs code in microVMs: each with its own kernel, cloned from a snapshot in a fraction of a second.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [verb]', 'print help for a verb')
    .enablePositionalOptions()
    .hook('preAction', (_program, action) => connectAs(action.optsWithGlobals<ConnectionFlags>()))
    .configureHelp({ subcommandTerm: (command) => command.name(), showGlobalOptions: false })
    .addHelpText(
      'after',
      `
Examples:
  nova run -- python3 -c 'print(6 * 7)'     a command in a sandbox of its own
  nova run -it                              a shell in one
  nova create --name box && nova exec box -- uname -a
  nova cp ./project box:/home/user/project

"nova help <verb>" tells more about each.`,
    );
  addConnectionOptions(program, { hidden: false });
  for (const [name, verb] of Object.entries(verbs)) {
    const command = program.command(name, { hidden: verb.hidden ?? false }).summary(verb.summary);
    if (verb.alias !== undefined) command.alias(verb.alias);
    if (name !== called) continue;
    (await verb.load()).define(command, buildProgram);
    for (const each of [command, ...command.commands]) addConnectionOptions(each, { hidden: true });
    if (command.description() === '') command.description(`${verb.summary[0]?.toUpperCase()}${verb.summary.slice(1)}.`);
  }
  for (const command of [program, ...program.commands, ...program.commands.flatMap((each) => each.commands)]) {
    command
      .exitOverride()
      .helpOption('-h, --help', 'print help')
      .configureOutput({ outputError: (text, write) => write(`nova: ${printable(text.replace(/^error: /, ''))}`) });
    if (command !== program) command.showHelpAfterError(`("nova ${pathOf(command)} --help" tells more)`);
  }
  return program;
}

/** Whether help is asked for an unknown verb: commander would print the whole help without saying why. */
function asksAboutNoVerb(argv: readonly string[], called: string): boolean {
  return argv[0] === 'help' && called !== '' && !(called in verbs);
}

/** Whether `--json` was given to the verb or its subcommands; options of the command that is run do not count. */
function wantsJson(command: Command): boolean {
  return command.opts()['json'] === true || command.commands.some(wantsJson);
}

function pathOf(command: Command): string {
  const parent = command.parent;
  return parent === null || parent.parent === null ? command.name() : `${pathOf(parent)} ${command.name()}`;
}

/** Waits until the system has taken all output: exiting at once would lose data that a pipe has not taken yet. */
async function flush(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.destroyed && stream.writableLength > 0) {
      await new Promise<void>((resolve) => stream.write('', () => resolve()));
    }
  }
}
