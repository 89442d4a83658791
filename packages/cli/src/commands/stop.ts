import type { Command } from 'commander';
import { parseDuration } from '../args/duration.ts';
import { eachSandbox } from '../each-sandbox.ts';

interface Options {
  readonly force?: boolean;
  readonly time?: number;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .argument('<sandbox...>', 'ids, beginnings of ids, or names')
    .option('-f, --force', 'do not ask the guest first')
    .option('--time <time>', 'how long the guest may take to shut down (default: 5s)', parseDuration)
    .option('--json', 'print all about the sandboxes as JSON')
    .addHelpText(
      'after',
      `
The disk stays: "nova start" boots the sandbox again. A sandbox created with --rm is removed.

Examples:
  nova stop box
  nova stop --force $(nova ls -q)`,
    )
    .action((refs: string[], { force = false, time, json }: Options) =>
      eachSandbox(refs, { json }, (engine, ref) =>
        engine.sandboxes.stop(ref, { force, ...(time === undefined ? {} : { graceMs: time }) }),
      ),
    );
}
