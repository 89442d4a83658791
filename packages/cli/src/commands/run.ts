import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { SandboxInfo } from '@novasandbox/protocol';
import type { Engine, LocalEngine } from '@novasandbox/engine';
import { addCommandOptions, commandWords, type CommandOptions } from '../args/command-options.ts';
import { addSandboxOptions, toSandboxConfig, type SandboxOptions } from '../args/sandbox-options.ts';
import { addSnapshotOptions, type SnapshotOptions } from '../args/snapshot-options.ts';
import { makeSandbox, type MadeSandbox } from '../make-sandbox.ts';
import { openEngine, openOwnEngine } from '../open-engine.ts';
import { isGone } from '../is-gone.ts';
import { Interrupts } from '../process/interrupts.ts';
import { detachedRequest, runCommand, runCommandForJson } from '../process/run-command.ts';
import { printJson } from '../render/json.ts';
import { showProgress } from '../render/progress.ts';
import { UsageError } from '../usage-error.ts';
import { pushBeforeRun, settleAfterRun, tellSettled, workspacePath, type Settled } from '../workspace/around-run.ts';
import { keepWarmMs, leaveCloneBehind } from '../warm.ts';

interface Options extends SandboxOptions, SnapshotOptions, CommandOptions {
  readonly rm?: boolean;
  readonly quiet?: boolean;
  readonly user?: string;
  readonly workspace?: string;
  readonly apply?: boolean;
  readonly image?: string;
  readonly template?: string;
}

export function define(command: Command): void {
  addSnapshotOptions(addSandboxOptions(addCommandOptions(command)))
    .argument(
      '[command...]',
      'command and its arguments; when left out, a shell with --tty, or the command that the image or template names',
    )
    .option('-d, --detach', 'leave the sandbox running and print its id')
    .option('--rm', 'with --detach: remove the sandbox when it stops; with --workspace: even if there are changes')
    .option('--workspace <folder>', `push a folder to ${workspacePath}, and run the command there`)
    .option('--apply', 'with --workspace: apply the changes of the command that need no consent')
    .option('-q, --quiet', 'no progress')
    .passThroughOptions()
    .addHelpText(
      'after',
      `
The sandbox is removed when the command ends, on Ctrl-C and on every error. The exit code is the command's; 124: its time limit
was reached, 125: NovaSandbox failed, 126: the command cannot be executed, 127: it was not found.

A sandbox is a machine of its own and shares no folder with this one: -v copies a folder or file in before the command runs, and changes
stay in the sandbox. A disk image given with -v is attached itself, and written to unless :ro is given; so is a volume
("nova volume"). --workspace copies a folder in to be worked on, without ignored files and secrets. If the command has
changed it, the sandbox is kept: "nova diff" shows the changes, and "nova apply" brings them into the folder.

Examples:
  nova run -- python3 -c 'print(6 * 7)'
  nova run -it
  echo hello | nova run -i -- tr a-z A-Z
  nova run --memory 1g --vcpus 2 --timeout 5m -e CI=1 -- make test
  nova run --no-network --read-only -- ./untrusted
  nova run -v .:/work:ro -w /work -- python3 -m unittest
  nova run --snapshot installed -- make test
  nova run --image alpine:3.22 -- sh -c 'cat /etc/os-release'
  nova run -v cache:/home/user/.cache -- pip download requests
  nova run --workspace . -- sed -i s/colour/color/ README.md
  nova run -d --name web --port 8080:8000 -- python3 -m http.server 8000`,
    )
    .action((words: string[], options: Options) => run(commandWords(words), options));
}

async function run(words: readonly string[], options: Options): Promise<void> {
  // Loaded only here: help does not need it.
  const { loginShell } = await import('@novasandbox/protocol');
  const argv = words.length > 0 ? words : options.tty === true ? loginShell : [];
  // An image may name its own command, which is known once it has been fetched.
  if (argv.length === 0 && options.detach !== true && options.image === undefined && options.template === undefined) {
    throw new UsageError("Say what to run: nova run -- python3 -c 'print(6 * 7)', or nova run -it for a shell.");
  }
  if (options.apply === true && options.workspace === undefined) throw new UsageError('--apply goes with --workspace.');
  if (options.detach === true && (options.tty === true || options.interactive === true)) {
    throw new UsageError('--detach does not go with --interactive or --tty: use nova create, then nova shell.');
  }
  const keepMs = options.snapshot === undefined && options.image === undefined ? keepWarmMs() : 0;
  using interrupts = new Interrupts();
  const own = keepMs === 0 ? null : await openOwnEngine();
  await using engine = own?.engine ?? (await openEngine());
  try {
    process.exitCode =
      options.detach === true
        ? await runDetached(engine, argv, options, interrupts)
        : await runEphemeral(engine, argv, options, interrupts, own?.engine);
    if (own !== null) leaveCloneBehind(toSandboxConfig(options), keepMs, own.home);
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
  /** Where this is given, the process that makes the next clone also removes what is left of this sandbox. */
  leavesToNext: LocalEngine | undefined,
): Promise<number> {
  // The sandbox lives as long as its command, whatever time to live a daemon gives by default.
  const { sandbox, writesDrives } = await create(engine, { ttl: 0, ...options }, true, interrupts);
  const { metadata } = sandbox;
  const settle = once(() => settled(engine, sandbox, options));
  try {
    const command = {
      argv: argv.length > 0 ? argv : await startOf(engine, sandbox),
      options: inWorkspace(options),
      user: userOf(options),
    };
    if (options.json !== true) return await runCommand(engine, sandbox.id, command, interrupts);
    const about = async (): Promise<object> => ({ metadata, ...(await settle()) });
    return await runCommandForJson(engine, sandbox.id, command, interrupts, about);
  } finally {
    const workspace = await settle();
    if (workspace?.workspace.kept !== true) {
      // Data that the guest has not yet written to a drive of the host would be lost and its file system left unclean.
      if (writesDrives) await engine.sandboxes.stop(sandbox.id).catch(ignoreMissing);
      const removed = leavesToNext?.abandon(sandbox.id) ?? engine.sandboxes.remove(sandbox.id, { force: true });
      await removed.catch(ignoreMissing);
    }
  }
}

/** The command that the template, or its image, names for itself. */
async function startOf(engine: Engine, { templateId }: SandboxInfo): Promise<readonly string[]> {
  const { start } = await engine.templates.inspect(templateId);
  if (start.length > 0) return start;
  throw new UsageError(`Say what to run: the template ${printable(templateId)} names no command of its own.`);
}

/** The outcome for the workspace; null where there is none, or the sandbox is gone. */
async function settled(
  engine: Engine,
  sandbox: SandboxInfo,
  { workspace, apply = false, rm = false, ttl, quiet, json }: Options,
): Promise<{ readonly workspace: Settled } | null> {
  if (workspace === undefined) return null;
  try {
    const found = await settleAfterRun(engine, sandbox, { apply, keeps: !rm, timeToLive: ttl !== undefined });
    if (quiet !== true && json !== true) tellSettled(sandbox, found);
    return { workspace: found };
  } catch (error) {
    // There is nothing to keep where the guest has ended, or has removed the whole folder.
    if (!(error instanceof Error) || isGone(error) || hasNothing.includes('code' in error ? String(error.code) : ''))
      return null;
    process.stderr.write(`nova: the changes cannot be looked at: ${printable(error.message)}\n`);
    return { workspace: { kept: !rm, applied: [], left: [] } };
  }
}

const hasNothing = ['file_not_found', 'guest_unreachable', 'sandbox_not_running', 'guest_protocol_error'];

/** A command runs in its workspace, unless the command line says where. */
const inWorkspace = <O extends Options>(options: O): O =>
  options.workspace === undefined ? options : { workdir: workspacePath, ...options };

const once = <T>(work: () => Promise<T>): (() => Promise<T>) => {
  let done: Promise<T> | undefined;
  return () => (done ??= work());
};

async function runDetached(
  engine: Engine,
  argv: readonly string[],
  options: Options,
  interrupts: Interrupts,
): Promise<number> {
  const { sandbox } = await create(engine, options, options.rm ?? false, interrupts);
  try {
    const request = await detachedRequest({ argv, options: inWorkspace(options), user: userOf(options) });
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

/** The user of the command where the sandbox has another one, because it is as the one that was snapshotted. */
const userOf = ({ snapshot, user }: Options): string | undefined => (snapshot === undefined ? undefined : user);

async function create(
  engine: Engine,
  options: Options,
  ephemeral: boolean,
  interrupts: Interrupts,
): Promise<MadeSandbox> {
  const quiet = options.quiet === true || options.json === true;
  using progress = showProgress({ quiet });
  const context = { signal: interrupts.signal, progress: progress.sink };
  const { user: _, ...shape } = options;
  const telling = { quiet, goesWithCommand: options.detach !== true };
  const wanted = options.snapshot === undefined ? options : shape;
  const made = await makeSandbox(engine, wanted, ephemeral, context, telling);
  if (options.workspace !== undefined)
    await pushBeforeRun(engine, made.sandbox, options.workspace, { ...context, quiet });
  return made;
}

/** An ephemeral sandbox may be gone already if its guest has shut down. */
function ignoreMissing(error: unknown): void {
  if (!isGone(error)) throw error;
}
