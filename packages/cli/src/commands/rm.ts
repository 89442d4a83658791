import type { Command } from 'commander';
import { eachSandbox } from '../each-sandbox.ts';

export function define(command: Command): void {
  command
    .argument('<sandbox...>', 'ids, beginnings of ids, or names')
    .option('-f, --force', 'stop what runs; without it a running sandbox is refused')
    .option('--json', 'print what was removed as JSON')
    .addHelpText(
      'after',
      `
Examples:
  nova rm box
  nova rm --force $(nova ls --all -q)`,
    )
    .action((refs: string[], { force = false, json }: { readonly force?: boolean; readonly json?: boolean }) =>
      eachSandbox(refs, { json }, (engine, ref) => engine.sandboxes.remove(ref, { force })),
    );
}
