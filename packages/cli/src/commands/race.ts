import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { RaceResult, Sandbox } from 'novasandbox';
import { commandWords } from '../args/command-options.ts';
import { parseDuration } from '../args/duration.ts';
import { parseWholeNumber } from '../args/whole-number.ts';
import { runBranch, scoreIn, type Branch } from '../fork/score-child.ts';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { printJson } from '../render/json.ts';
import { showProgress } from '../render/progress.ts';
import { UsageError } from '../usage-error.ts';

interface Options {
  readonly count: number;
  readonly score?: string;
  readonly timeout?: number;
  readonly user?: string;
  readonly workdir?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .argument('<sandbox>', 'id, beginning of an id, or name of a running sandbox')
    .argument('<command...>', 'after --: command to run in each child')
    .requiredOption('-n, --count <count>', 'number of children, all from one instant', parseWholeNumber)
    .option('--score <script>', 'shell script whose last line is the score (default: the last line of the command)')
    .option('--timeout <time>', 'time limit of each child, such as 30s', parseDuration)
    .option('-u, --user <user>', "user that the command runs as (default: the sandbox's)")
    .option('-w, --workdir <path>', 'directory the command runs in')
    .option('-q, --quiet', 'no progress, and no output of the commands')
    .option('--json', 'print how each child ended as JSON')
    .addHelpText(
      'after',
      `
Forks a running sandbox, runs the command in each child, keeps the child with the highest score, and prints its id. It lives until
"nova rm"; the others are removed as soon as they can no longer win. A child whose command or script fails only loses. Lines of the
commands appear on stderr behind the number of their child, which they find in NOVA_FORK_INDEX. The exit code is 1 if no child comes to
a score; 125: NovaSandbox failed.

Examples:
  nova race box -n 3 -- sh -c './solve --seed $NOVA_FORK_INDEX'
  nova race box -n 4 --score 'npm test 2>&1 | grep -c "^ok"' -- sh -c './attempt.sh $NOVA_FORK_INDEX'`,
    )
    .action((sandbox: string, words: string[], options: Options) => race(sandbox, commandWords(words), options));
}

async function race(ref: string, argv: readonly string[], options: Options): Promise<void> {
  if (argv.length === 0) throw new UsageError('Name the command to run: nova race box -n 3 -- ./solve.');
  const { count, score, timeout: timeoutMs, user, workdir, json = false } = options;
  const quiet = options.quiet === true || json;
  const branch: Branch = { argv, score, user, workdir, quiet };
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  try {
    const { Sandbox } = await import('novasandbox');
    await using sandbox = await Sandbox.connect(ref, { engine });
    using progress = showProgress({ quiet });
    const best = await sandbox.race({
      count,
      run: (child, index, signal) => runBranch(child, index, branch, signal),
      score: scoreIn,
      timeoutMs,
      signal: interrupts.signal,
      onProgress: progress.sink,
    });
    await best.sandbox.disconnect();
    if (json) printJson(toJson(best));
    else process.stdout.write(`${printable(best.sandbox.id)}\n`);
  } catch (error) {
    if (interrupts.signal.aborted) process.exitCode = interrupts.exitCode;
    else if (error instanceof AggregateError) tellLosers(error);
    else throw error;
  }
}

const toJson = ({ sandbox, index, score, branches }: RaceResult<Sandbox, string>) => ({
  sandboxId: sandbox.id,
  number: index + 1,
  score,
  branches: branches.map((branch) => ({
    number: branch.index + 1,
    score: branch.score,
    error: branch.error === null ? null : messageOf(branch.error),
  })),
});

/** Says why no child has come to a score. */
function tellLosers({ errors }: AggregateError): void {
  for (const [index, error] of errors.entries())
    process.stderr.write(`nova: ${index + 1}: ${printable(messageOf(error))}\n`);
  process.stderr.write('nova: No child has come to a score: none is kept.\n');
  process.exitCode = 1;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
