import type { Command } from 'commander';
import { eachSandbox } from '../each-sandbox.ts';
import { isGone } from '../is-gone.ts';

export function define(command: Command): void {
  command
    .argument('<sandbox...>', 'ids, beginnings of ids, or names')
    .option('-f, --force', 'stop running ones and ignore missing ones; without it both are errors')
    .option('--json', 'print what was removed as JSON')
    .addHelpText(
      'after',
      `
Examples:
  nova rm box
  nova rm --force $(nova ls --all -q)`,
    )
    .action((refs: string[], { force = false, json }: { readonly force?: boolean; readonly json?: boolean }) =>
      eachSandbox(refs, { json }, async (engine, ref) => {
        try {
          return await engine.sandboxes.remove(ref, { force });
        } catch (error) {
          if (!force || !isGone(error)) throw error;
          return null;
        }
      }),
    );
}
