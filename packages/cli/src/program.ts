import { Command, CommanderError } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import { addConnectionOptions, verbOf, type ConnectionFlags } from './args/connection-options.ts';
import { connectAs } from './open-engine.ts';
import { verbNamed, verbs } from './verbs.ts';
import { usageExitCode } from './exit-codes.ts';
import { outputFailed } from './output-failed.ts';
import { version } from './version.ts';

/** Runs one command line; resolves to the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  // A reader that leaves (`nova ls | head -1`) is no error; commands that have something to clean up put their own listener first.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (stream.listenerCount('error') === 1) process.exit(outputFailed(error));
    });
  }
  const called = verbNamed(verbOf(argv));
  const program = await buildProgram(called);
  try {
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync(asksAboutNoVerb(argv, called) ? [called] : [...argv], { from: 'user' });
    await flush();
    return process.stdout.errored ? outputFailed(process.stdout.errored) : Number(process.exitCode ?? 0);
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

/** The whole program; only the verb that is called for is loaded, of the others the names are enough. */
export async function buildProgram(called: string): Promise<Command> {
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
    (await verb.load()).define(command);
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

/** Help for a verb that there is not: commander would print the whole help, and not say why. */
function asksAboutNoVerb(argv: readonly string[], called: string): boolean {
  return argv[0] === 'help' && called !== '' && !(called in verbs);
}

/** Whether `--json` was given, to the verb or to its own verbs; not to the command that is run. */
function wantsJson(command: Command): boolean {
  return command.opts()['json'] === true || command.commands.some(wantsJson);
}

function pathOf(command: Command): string {
  const parent = command.parent;
  return parent === null || parent.parent === null ? command.name() : `${pathOf(parent)} ${command.name()}`;
}

/** Waits until what was printed has been handed to the system: leaving at once would lose what a pipe has not taken yet. */
async function flush(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.destroyed && stream.writableLength > 0) {
      await new Promise<void>((resolve) => stream.write('', () => resolve()));
    }
  }
}
