import type { Command } from 'commander';
import { eachSandbox } from '../each-sandbox.ts';

export function define(command: Command): void {
  command
    .argument('<sandbox...>', 'ids, beginnings of ids, or names')
    .option('--json', 'print all about the sandboxes as JSON')
    .addHelpText(
      'after',
      `
The same as "nova stop --force": the guest is not asked first. The disk stays, and "nova rm" removes it.

Example:
  nova kill box`,
    )
    .action((refs: string[], options: { readonly json?: boolean }) =>
      eachSandbox(refs, options, (engine, ref) => engine.sandboxes.stop(ref, { force: true })),
    );
}
