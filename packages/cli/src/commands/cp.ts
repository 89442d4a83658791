import type { Command } from 'commander';
import { parseCopyPath, type CopyPath } from '../args/copy-path.ts';
import { copyAll, splitPaths } from '../copy/copy-all.ts';
import { addCopyOptions, copying, type CopyingOptions } from '../copying.ts';

export function define(command: Command): void {
  addCopyOptions(command, 'sandbox')
    .addHelpText(
      'after',
      `
If the destination is a directory, the source is copied into it, otherwise to its name; "folder/." means the contents of the folder.
Several sources need an existing directory; the first one that cannot be copied ends the copying.
Data from a sandbox is not trusted: nothing is written outside the destination, and links that lead out and devices are left out
and reported.

Examples:
  nova cp ./project box:/home/user/
  nova cp box:/home/user/report.pdf .
  nova cp setup.py README.md src box:/home/user/
  echo '{}' | nova cp - box:/etc/app/config.json
  nova cp box:/var/log - | tar t
  tar c src | nova cp --archive - box:/build`,
    )
    .action((paths: string[], options: CopyingOptions) => cp(paths.map(parseCopyPath), options));
}

async function cp(paths: readonly CopyPath[], options: CopyingOptions): Promise<void> {
  const sides = splitPaths(paths, 'sandbox');
  await copying(options, sides.destination, async (engine, how) => {
    const { Sandbox } = await import('novasandbox');
    return copyAll(
      sides,
      async (ref) => {
        const sandbox = await Sandbox.connect(ref, { engine });
        return { sandbox, at: (path) => path, [Symbol.asyncDispose]: () => sandbox.disconnect() };
      },
      how,
    );
  });
}
