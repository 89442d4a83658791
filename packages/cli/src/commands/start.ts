import type { Command } from 'commander';
import { eachSandbox } from '../each-sandbox.ts';
import { Interrupts } from '../process/interrupts.ts';
import { showProgress } from '../render/progress.ts';

export function define(command: Command): void {
  command
    .argument('<sandbox...>', 'ids, beginnings of ids, or names')
    .option('--json', 'print all about the sandboxes as JSON')
    .option('-q, --quiet', 'no progress')
    .addHelpText(
      'after',
      `
A stopped sandbox boots from its own disk: its files are there, its memory is not. One that runs is left alone.

Example:
  nova start box`,
    )
    .action(async (refs: string[], options: { readonly json?: boolean; readonly quiet?: boolean }) => {
      using interrupts = new Interrupts();
      using progress = showProgress({ quiet: options.quiet === true || options.json === true });
      const context = { signal: interrupts.signal, progress: progress.sink };
      await eachSandbox(refs, options, (engine, ref) => engine.sandboxes.start(ref, context));
      if (interrupts.signal.aborted) process.exitCode = interrupts.exitCode;
    });
}
