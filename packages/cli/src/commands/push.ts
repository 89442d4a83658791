import type { Command } from 'commander';
import { printable, printableName } from '@novasandbox/protocol/visible';
import type { PushResult } from 'novasandbox';
import { addTo } from '../args/add-to.ts';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { printJson } from '../render/json.ts';
import { showProgress } from '../render/progress.ts';
import { bytesOf } from '../render/quantity.ts';
import { tellReasons } from '../workspace/show.ts';

interface Options {
  readonly to?: string;
  readonly include?: readonly string[];
  readonly includeSecrets?: boolean;
  readonly git: boolean;
  readonly overwrite?: boolean;
  readonly user?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .argument('[folder]', 'folder of this host', '.')
    .option('--to <path>', 'folder of the sandbox (default: /workspace)')
    .option('--include <path>', 'send this although it is ignored or holds secrets, may be repeated', addTo)
    .option('--include-secrets', 'send files that hold secrets too')
    .option('--no-git', 'leave .git out')
    .option('--overwrite', 'replace what was changed in the sandbox meanwhile')
    .option('-u, --user <user>', "owner of the files in the sandbox (default: the sandbox's user)")
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print what was sent as JSON')
    .addHelpText(
      'after',
      `
Sends the folder once, and later only what has changed. Left out is what .gitignore, .git/info/exclude and .novaignore name, and what
holds secrets: .env, keys, credentials. What was changed in the sandbox meanwhile is not replaced; it is a conflict, and the exit code
is then 1. "nova diff" shows what the sandbox changed, and "nova apply" brings it back.

Examples:
  nova push box
  nova push box ./project --to /srv/app --include .env.test`,
    )
    .action((sandbox: string, folder: string, options: Options) => push(sandbox, folder, options));
}

async function push(ref: string, folder: string, options: Options): Promise<void> {
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  try {
    const { Sandbox } = await import('novasandbox');
    await using sandbox = await Sandbox.connect(ref, { engine });
    using progress = showProgress({ quiet: options.quiet === true || options.json === true });
    const result = await sandbox.workspace.push(folder, {
      guestPath: options.to,
      include: options.include,
      includeSecrets: options.includeSecrets,
      git: options.git ? undefined : false,
      overwrite: options.overwrite,
      user: options.user,
      signal: interrupts.signal,
      onProgress: progress.sink,
    });
    if (options.json === true) printJson(result);
    else tell(result);
    if (result.conflicts.length > 0) process.exitCode = 1;
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}

function tell({ guestPath, sentFiles, sentBytes, removed, leftOut, conflicts, notes }: PushResult): void {
  tellReasons('left out', leftOut);
  tellReasons('conflict:', conflicts);
  for (const note of notes) process.stderr.write(`nova: ${printable(note)}\n`);
  const gone = removed === 0 ? '' : `, ${removed} removed`;
  process.stdout.write(`${printableName(guestPath)}: ${sentFiles} files sent (${bytesOf(sentBytes)})${gone}\n`);
}
