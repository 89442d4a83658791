import type { Command } from 'commander';
import { addPushedFolder } from '../args/pushed-folder.ts';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { printJson } from '../render/json.ts';
import { showProgress } from '../render/progress.ts';
import { findPushed, pathsIn, withPushed } from '../workspace/find.ts';
import { hasColor, showChange, showStat } from '../workspace/show.ts';

interface Options {
  readonly at?: string;
  readonly stat?: boolean;
  readonly exitCode?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  addPushedFolder(command)
    .option('--stat', 'one line for each change')
    .option('--exit-code', 'exit with 1 if there are changes')
    .option('--json', 'print the changes as JSON, which "nova apply --reviewed" takes')
    .addHelpText(
      'after',
      `
Compares the sandbox's folder with what was pushed, and both with the folder of this host as it is now. Remarks begin with #: conflicts,
changes that are never applied (.git, links that lead out), and changes that need consent because this host may run them.
No program runs on what the sandbox wrote, git neither.

Examples:
  nova diff box
  nova diff box src --stat
  nova diff --json box > review.json && nova apply --reviewed review.json box`,
    )
    .action((sandbox: string | undefined, paths: string[], options: Options) => diff(sandbox, paths, options));
}

async function diff(ref: string | undefined, words: readonly string[], options: Options): Promise<void> {
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  try {
    const pushed = await findPushed(engine, ref, options.at);
    using progress = showProgress({ quiet: options.json === true });
    const found = await withPushed(engine, pushed, ({ workspace }) =>
      workspace.diff({
        guestPath: pushed.guestPath,
        paths: pathsIn(pushed.folder, words),
        signal: interrupts.signal,
        onProgress: progress.sink,
      }),
    );
    if (options.json === true) printJson(found);
    else if (options.stat === true) process.stdout.write(showStat(found.changes));
    else {
      const color = hasColor();
      for (const change of found.changes) process.stdout.write(showChange(change, { color }));
    }
    if (options.exitCode === true && found.changes.length > 0) process.exitCode = 1;
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}
