import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import { addSandboxOptions, type SandboxOptions } from '../args/sandbox-options.ts';
import { addSnapshotOptions, type SnapshotOptions } from '../args/snapshot-options.ts';
import { makeSandbox } from '../make-sandbox.ts';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { printJson } from '../render/json.ts';
import { showProgress } from '../render/progress.ts';

interface Options extends SandboxOptions, SnapshotOptions {
  readonly rm?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  addSnapshotOptions(addSandboxOptions(command))
    .option('--rm', 'remove the sandbox when it stops')
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print all about the sandbox as JSON')
    .addHelpText(
      'after',
      `
Prints the id. The sandbox continues after this command: until "nova rm", or until the time of --ttl has passed.

Examples:
  nova create
  nova create --name box --memory 1g --label team=infra
  nova create --name web --port 8080:80 --ttl 2h
  nova create --snapshot installed --name again
  nova create --name work -v ./project:/work
  nova create --name db -v pgdata:/var/lib/postgresql`,
    )
    .action((options: Options) => create(options));
}

async function create(options: Options): Promise<void> {
  const quiet = options.quiet === true || options.json === true;
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  try {
    using progress = showProgress({ quiet });
    const context = { signal: interrupts.signal, progress: progress.sink };
    const telling = { quiet, goesWithCommand: false };
    const { sandbox } = await makeSandbox(engine, options, options.rm ?? false, context, telling);
    if (options.json === true) printJson(sandbox);
    else process.stdout.write(`${printable(sandbox.id)}\n`);
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}
