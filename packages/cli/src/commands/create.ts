import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import { addSandboxOptions, toSandboxConfig, type SandboxOptions } from '../args/sandbox-options.ts';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { printJson } from '../render/json.ts';
import { showProgress } from '../render/progress.ts';

interface Options extends SandboxOptions {
  readonly rm?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  addSandboxOptions(command)
    .option('--rm', 'remove the sandbox when it stops')
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print all about the sandbox as JSON')
    .addHelpText(
      'after',
      `
Prints the id. The sandbox lives on when this command has ended: until "nova rm", or as long as --ttl says.

Examples:
  nova create
  nova create --name box --memory 1g --label team=infra
  nova create --name web --port 8080:80 --ttl 2h`,
    )
    .action((options: Options) => create(options));
}

async function create(options: Options): Promise<void> {
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  try {
    using progress = showProgress({ quiet: options.quiet === true || options.json === true });
    const config = { ...toSandboxConfig(options), ephemeral: options.rm ?? false };
    const info = await engine.sandboxes.create(config, { signal: interrupts.signal, progress: progress.sink });
    if (options.json === true) printJson(info);
    else process.stdout.write(`${printable(info.id)}\n`);
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}
