import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { Engine } from '@novasandbox/engine';
import type { SandboxInfo } from '@novasandbox/protocol';
import { addCommandOptions, commandWords, type CommandOptions } from '../args/command-options.ts';
import { addSandboxOptions, toSandboxConfig, type SandboxOptions } from '../args/sandbox-options.ts';
import { openEngine } from '../open-engine.ts';
import { isGone } from '../is-gone.ts';
import { Interrupts } from '../process/interrupts.ts';
import { loginShell } from '../process/login-shell.ts';
import { runCommand, runCommandForJson } from '../process/run-command.ts';
import { printJson } from '../render/json.ts';
import { showProgress } from '../render/progress.ts';
import { UsageError } from '../usage-error.ts';

interface Options extends SandboxOptions, CommandOptions {
  readonly rm?: boolean;
  readonly quiet?: boolean;
}

export function define(command: Command): void {
  addSandboxOptions(addCommandOptions(command))
    .argument('[command...]', 'command and its arguments; with --tty a shell when left out')
    .option('-d, --detach', 'leave the sandbox running and print its id')
    .option('--rm', 'with --detach: remove the sandbox when it stops (without: always so)')
    .option('-q, --quiet', 'no progress')
    .passThroughOptions()
    .addHelpText(
      'after',
      `
The sandbox is removed when the command ends, on Ctrl-C and on every error. The exit code is the command's; 124: its time limit
was reached, 125: NovaSandbox failed, 126: it cannot be executed, 127: it was not found.

Examples:
  nova run -- python3 -c 'print(6 * 7)'
  nova run -it
  echo hello | nova run -i -- tr a-z A-Z
  nova run --memory 1g --vcpus 2 --timeout 5m -e CI=1 -- make test
  nova run --no-network --read-only -- ./untrusted
  nova run -d --name web --port 8080:8000 -- python3 -m http.server 8000`,
    )
    .action((words: string[], options: Options) => run(commandWords(words), options));
}

async function run(words: readonly string[], options: Options): Promise<void> {
  const argv = words.length > 0 ? words : options.tty === true ? loginShell : [];
  if (argv.length === 0 && options.detach !== true) {
    throw new UsageError("Say what to run: nova run -- python3 -c 'print(6 * 7)', or nova run -it for a shell.");
  }
  if (options.detach === true && (options.tty === true || options.interactive === true)) {
    throw new UsageError('--detach does not go with --interactive or --tty: use nova create, then nova shell.');
  }
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  try {
    process.exitCode =
      options.detach === true
        ? await runDetached(engine, argv, options, interrupts)
        : await runEphemeral(engine, argv, options, interrupts);
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}

async function runEphemeral(
  engine: Engine,
  argv: readonly string[],
  options: Options,
  interrupts: Interrupts,
): Promise<number> {
  // It lives as long as its command, whatever a daemon gives those that name no time.
  const sandbox = await create(engine, { ttl: 0, ...options }, true, interrupts);
  try {
    const command = { argv, options };
    if (options.json !== true) return await runCommand(engine, sandbox.id, command, interrupts);
    return await runCommandForJson(engine, sandbox.id, command, interrupts, { metadata: sandbox.metadata });
  } finally {
    await engine.sandboxes.remove(sandbox.id, { force: true }).catch(ignoreMissing);
  }
}

async function runDetached(
  engine: Engine,
  argv: readonly string[],
  options: Options,
  interrupts: Interrupts,
): Promise<number> {
  const sandbox = await create(engine, options, options.rm ?? false, interrupts);
  try {
    const request = { argv, cwd: options.workdir, timeoutMs: options.timeout };
    const context = { signal: interrupts.signal };
    const started = argv.length === 0 ? undefined : await engine.exec.startDetached(sandbox.id, request, context);
    if (options.json === true) printJson({ ...sandbox, process: started ?? null });
    else process.stdout.write(`${printable(sandbox.id)}\n`);
    return 0;
  } catch (error) {
    await engine.sandboxes.remove(sandbox.id, { force: true }).catch(ignoreMissing);
    throw error;
  }
}

async function create(
  engine: Engine,
  options: Options,
  ephemeral: boolean,
  interrupts: Interrupts,
): Promise<SandboxInfo> {
  using progress = showProgress({ quiet: options.quiet === true || options.json === true });
  const config = { ...toSandboxConfig(options), ephemeral };
  return await engine.sandboxes.create(config, { signal: interrupts.signal, progress: progress.sink });
}

/** An ephemeral sandbox whose guest has ended itself may be gone by now. */
function ignoreMissing(error: unknown): void {
  if (!isGone(error)) throw error;
}
