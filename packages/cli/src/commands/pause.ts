import type { Command } from 'commander';
import { eachSandbox } from '../each-sandbox.ts';

export function define(command: Command): void {
  command
    .argument('<sandbox...>', 'ids, beginnings of ids, or names')
    .option('--json', 'print all about the sandboxes as JSON')
    .addHelpText(
      'after',
      `
Memory and processes stay as they are; a paused sandbox uses no CPU, but keeps its memory of the host: "nova hibernate"
gives that back too. "nova resume" continues it.

Example:
  nova pause box`,
    )
    .action((refs: string[], options: { readonly json?: boolean }) =>
      eachSandbox(refs, options, (engine, ref) => engine.sandboxes.pause(ref)),
    );
}
