import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import { eachSandbox } from '../each-sandbox.ts';

interface Options {
  readonly diskOnly?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .argument('<sandbox...>', 'ids, beginnings of ids, or names')
    .option('--disk-only', 'boot a hibernated sandbox from its disk, and drop its memory')
    .option('--json', 'print all about the sandboxes as JSON')
    .addHelpText(
      'after',
      `
The sandbox continues where "nova pause" or "nova hibernate" left it. Where its memory cannot be used any more, it boots
from its disk, and a line on stderr says why.

Example:
  nova resume box`,
    )
    .action((refs: string[], { diskOnly = false, json }: Options) =>
      eachSandbox(refs, { json }, async (engine, ref) => {
        const info = await engine.sandboxes.resume(ref, { memory: !diskOnly });
        if (info.reason !== null) process.stderr.write(`nova: ${printable(`${ref}: ${info.reason}`)}\n`);
        return info;
      }),
    );
}
