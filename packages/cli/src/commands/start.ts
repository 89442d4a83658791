import type { Command } from 'commander';
import type { HypervisorName } from '@novasandbox/protocol';
import { hypervisorOption } from '../args/sandbox-options.ts';
import { eachSandbox } from '../each-sandbox.ts';
import { Interrupts } from '../process/interrupts.ts';
import { showProgress } from '../render/progress.ts';

interface Options {
  readonly hypervisor?: HypervisorName | 'auto';
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export function define(command: Command): void {
  command
    .argument('<sandbox...>', 'ids, beginnings of ids, or names')
    .addOption(hypervisorOption('hypervisor to use (default: the one it ran on)'))
    .option('--json', 'print all about the sandboxes as JSON')
    .option('-q, --quiet', 'no progress')
    .addHelpText(
      'after',
      `
A stopped sandbox boots from its own disk: its files are kept, its memory is not. The disk works with every hypervisor. A running
sandbox is left alone.

Examples:
  nova start box
  nova start --hypervisor qemu box`,
    )
    .action(async (refs: string[], options: Options) => {
      using interrupts = new Interrupts();
      using progress = showProgress({ quiet: options.quiet === true || options.json === true });
      const { hypervisor } = options;
      const context = { signal: interrupts.signal, progress: progress.sink, hypervisor };
      await eachSandbox(refs, options, (engine, ref) => engine.sandboxes.start(ref, context));
      if (interrupts.signal.aborted) process.exitCode = interrupts.exitCode;
    });
}
