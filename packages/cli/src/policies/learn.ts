import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { addCommandOptions, commandWords, type CommandOptions } from '../args/command-options.ts';
import { addSandboxOptions, type SandboxOptions } from '../args/sandbox-options.ts';
import { isGone } from '../is-gone.ts';
import { makeSandbox } from '../make-sandbox.ts';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { runCommand, runCommandForJson } from '../process/run-command.ts';
import { showProgress } from '../render/progress.ts';
import { UsageError } from '../usage-error.ts';

interface LearnOptions extends SandboxOptions, CommandOptions {
  readonly output?: string;
  readonly quiet?: boolean;
  readonly user?: string;
}

/** Everything but the host, other sandboxes and private networks, by way of the process that looks. */
const letThrough = { otherwise: 'allow' } as const;

/** Adds the verb that runs a command and says what it needs. */
export function defineLearn(command: Command): void {
  addSandboxOptions(addCommandOptions(command.command('learn')))
    .description('Run a command in a sandbox that may reach everything public, and print the smallest policy for it.')
    .argument('<command...>', 'command and its arguments')
    .option('-o, --output <file>', 'write the policy there; default: it is printed after the output of the command')
    .option('-q, --quiet', 'no progress')
    .passThroughOptions()
    .addHelpText(
      'after',
      `
The policy names what was connected to: exact names and ports, and all names below a name only where three of them were
reached. Look at it before you use it: it also allows what the command should not have wanted.

Example:
  nova policy learn -o policy.json -- npm ci`,
    )
    .action((words: string[], options: LearnOptions) => learn(commandWords(words), options));
}

async function learn(argv: readonly string[], { output, ...options }: LearnOptions): Promise<void> {
  if (options.net !== undefined || options.allow !== undefined || options.deny !== undefined)
    throw new UsageError('nova policy learn lets everything through but private networks: leave out the policy.');
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  try {
    using progress = showProgress({ quiet: options.quiet === true || options.json === true });
    const how = { signal: interrupts.signal, progress: progress.sink };
    const telling = { quiet: options.quiet === true, goesWithCommand: true };
    const { sandbox } = await makeSandbox(engine, { ttl: 0, ...options }, true, how, telling, letThrough);
    try {
      const { user } = options;
      const run = { argv, options, user };
      const learned = () => engine.policies.learned(sandbox.id);
      if (options.json === true) {
        process.exitCode = await runCommandForJson(engine, sandbox.id, run, interrupts, async () => ({
          learned: await learned(),
        }));
        return;
      }
      const status = await runCommand(engine, sandbox.id, run, interrupts);
      const { policy, complete } = await learned();
      const text = `${JSON.stringify(policy, null, 2)}\n`;
      if (output === undefined) process.stdout.write(text);
      else writeFileSync(output, text);
      if (!complete) process.stderr.write('nova: it reached more than is kept, so that the policy is not whole.\n');
      process.exitCode = status;
    } finally {
      await engine.sandboxes.remove(sandbox.id, { force: true }).catch((error: unknown) => {
        if (!isGone(error)) throw error;
      });
    }
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}
