import type { Command } from 'commander';
import { eachSandbox } from '../each-sandbox.ts';

export function define(command: Command): void {
  command
    .argument('<sandbox...>', 'ids, beginnings of ids, or names')
    .option('--json', 'print all about the sandboxes as JSON')
    .addHelpText(
      'after',
      `
It goes on where "nova pause" froze it.

Example:
  nova resume box`,
    )
    .action((refs: string[], options: { readonly json?: boolean }) =>
      eachSandbox(refs, options, (engine, ref) => engine.sandboxes.resume(ref)),
    );
}
