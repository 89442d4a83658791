import type { Command } from 'commander';

interface Options {
  readonly json?: string | boolean;
  readonly quick?: boolean;
  readonly only?: string[];
}

export function define(command: Command): void {
  command
    .option('--json [file]', 'write the results as JSON to a file, or to stdout')
    .option('--quick', 'fewer rounds: a first impression')
    .option('--only <names...>', 'these measurements alone')
    .addHelpText(
      'after',
      `
Examples:
  nova bench
  nova bench --quick --only create exec
  nova bench --json results.json`,
    )
    .action(async ({ json, quick, only }: Options) => {
      const { runBench } = await import('../../../../bench/main.ts');
      await runBench({
        ...(json === undefined ? {} : { json }),
        ...(quick === undefined ? {} : { quick }),
        ...(only === undefined ? {} : { only }),
      });
    });
}
