import type { Command } from 'commander';
import { fromCheckout } from '../from-checkout.ts';
import { Interrupts } from '../process/interrupts.ts';

interface Options {
  readonly json?: string | boolean;
  readonly quick?: boolean;
  readonly only?: string[];
}

export function define(command: Command): void {
  command
    .option('--json [file]', 'write the results as JSON to a file, or to stdout')
    .option('--quick', 'fewer rounds: a first impression')
    .option('--only <names...>', 'only these measurements')
    .addHelpText(
      'after',
      `
Examples:
  nova bench
  nova bench --quick --only create exec
  nova bench --json results.json`,
    )
    .action(async ({ json, quick, only }: Options) => {
      const { runBench } = await fromCheckout('bench', () => import('@novasandbox/bench'));
      using interrupts = new Interrupts();
      try {
        await runBench({ json, quick, only, signal: interrupts.signal });
      } catch (error) {
        if (!interrupts.signal.aborted) throw error;
        process.exitCode = interrupts.exitCode;
      }
    });
}
