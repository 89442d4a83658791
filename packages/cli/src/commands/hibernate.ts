import type { Command } from 'commander';
import { eachSandbox } from '../each-sandbox.ts';

interface Options {
  readonly diskOnly?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .argument('<sandbox...>', 'ids, beginnings of ids, or names')
    .option('--disk-only', 'keep the disk alone: "nova resume" boots the sandbox')
    .option('--json', 'print all about the sandboxes as JSON')
    .addHelpText(
      'after',
      `
Memory and processes are written to the disk of the host: a hibernated sandbox uses neither memory nor CPU. "nova resume"
lets it go on where it was, also after a restart of the host. "nova stop" gives its memory up, and keeps its disk.

Example:
  nova hibernate box`,
    )
    .action((refs: string[], { diskOnly = false, json }: Options) =>
      eachSandbox(refs, { json }, (engine, ref) => engine.sandboxes.hibernate(ref, { memory: !diskOnly })),
    );
}
