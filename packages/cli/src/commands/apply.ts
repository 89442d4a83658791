import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { printableName } from '@novasandbox/protocol/visible';
import type { ApplyOptions, ApplyResult, WorkspaceDiff } from 'novasandbox';
import { addTo } from '../args/add-to.ts';
import { addPushedFolder } from '../args/pushed-folder.ts';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { printJson } from '../render/json.ts';
import { showProgress } from '../render/progress.ts';
import { UsageError } from '../usage-error.ts';
import { findPushed, pathsIn, withPushed, type Pushed } from '../workspace/find.ts';
import { review } from '../workspace/review.ts';
import { tellReasons } from '../workspace/show.ts';

interface Options {
  readonly at?: string;
  readonly yes?: boolean;
  readonly allowFlagged?: boolean;
  readonly allow?: readonly string[];
  readonly takeGuest?: readonly string[];
  readonly keepHost?: readonly string[];
  readonly reviewed?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  addPushedFolder(command)
    .option('-y, --yes', 'ask nothing: apply everything but conflicts and what needs consent')
    .option('--allow-flagged', 'apply changes that need consent too')
    .option('--allow <path>', 'apply this change, which needs consent, may be repeated', addTo)
    .option('--take-guest <path>', "of this conflict, take the sandbox's version, may be repeated", addTo)
    .option('--keep-host <path>', "of this conflict, keep this host's version, may be repeated", addTo)
    .option('--reviewed <file>', 'apply only what this output of "nova diff --json" shows, if it is still the same')
    .option('--dry-run', 'write nothing, and show what would be applied')
    .option('--json', 'ask nothing, and print the result as JSON')
    .addHelpText(
      'after',
      `
On a terminal each change is shown, and applied, left alone, or taken hunk by hunk. Elsewhere, and with --yes, everything is applied but
conflicts, and changes that this host, its tools or its services may run: hooks, CI, editor settings, build files, scripts. What belongs
to .git, leads out of the folder, or is no file, folder or link is never applied. Prints the paths that were applied; the exit code is 1
if anything was left.

Examples:
  nova apply box
  nova apply --yes box src docs
  nova apply --yes --allow Makefile --take-guest notes.md box`,
    )
    .action((sandbox: string | undefined, paths: string[], options: Options) => apply(sandbox, paths, options));
}

/** 128 + SIGINT: the terminal passes Ctrl-C to the question, not as a signal. */
const givenUpExitCode = 130;

async function apply(ref: string | undefined, words: readonly string[], options: Options): Promise<void> {
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  try {
    const pushed = await findPushed(engine, ref, options.at);
    using progress = showProgress({ quiet: options.json === true });
    const common = { guestPath: pushed.guestPath, signal: interrupts.signal, onProgress: progress.sink };
    const result = await withPushed(engine, pushed, async ({ workspace }) => {
      const paths = pathsIn(pushed.folder, words);
      const given: ApplyOptions = { ...common, paths, dryRun: options.dryRun, ...(await decided(pushed, options)) };
      if (!asks(options)) return workspace.apply(given);
      const decisions = await review(await workspace.diff({ ...common, paths }), interrupts.signal);
      return decisions === null ? null : workspace.apply({ ...given, ...decisions });
    });
    if (result === null) process.exitCode = interrupts.signal.aborted ? interrupts.exitCode : givenUpExitCode;
    else if (options.json === true) printJson(result);
    else tell(result);
    if (result !== null && leftOf(result) > 0) process.exitCode = 1;
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}

/** Whether the user decides about each change at the terminal. */
const asks = ({ yes, json, reviewed, dryRun }: Options): boolean =>
  yes !== true &&
  json !== true &&
  dryRun !== true &&
  reviewed === undefined &&
  process.stdin.isTTY &&
  process.stderr.isTTY;

/** The decisions that the command line names. */
async function decided(
  { folder }: Pushed,
  { allowFlagged, allow = [], takeGuest = [], keepHost = [], reviewed }: Options,
): Promise<ApplyOptions> {
  const resolve = Object.fromEntries([
    ...(pathsIn(folder, takeGuest) ?? []).map((path) => [path, 'guest'] as const),
    ...(pathsIn(folder, keepHost) ?? []).map((path) => [path, 'host'] as const),
  ]);
  return {
    allowFlagged: allowFlagged === true ? true : (pathsIn(folder, allow) ?? []),
    resolve,
    ...(reviewed === undefined ? {} : { reviewed: await readReview(reviewed) }),
  };
}

async function readReview(file: string): Promise<WorkspaceDiff> {
  const text = await readFile(file, 'utf8');
  try {
    const found = JSON.parse(text) as WorkspaceDiff;
    const isChange = (each: Partial<WorkspaceDiff['changes'][number]> | null): boolean =>
      typeof each?.path === 'string' && each.before !== undefined && each.after !== undefined;
    if (Array.isArray(found.changes) && found.changes.every(isChange)) return found;
  } catch {
    // Told below.
  }
  throw new UsageError(`${file} is not what "nova diff --json" prints.`);
}

const leftOf = ({ conflicts, refused, flagged, outdated }: ApplyResult): number =>
  [conflicts, refused, flagged, outdated].reduce((sum, { length }) => sum + length, 0);

function tell({ applied, conflicts, refused, flagged, outdated }: ApplyResult): void {
  for (const path of applied) process.stdout.write(`${printableName(path)}\n`);
  tellReasons('conflict:', conflicts);
  tellReasons('never applied:', refused);
  tellReasons('needs consent (--allow):', flagged);
  tellReasons('looked at too early:', outdated);
}
