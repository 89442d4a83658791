import type { Sandbox } from 'novasandbox';
import { indexVariable } from './index-variable.ts';
import { NumberedLines } from './numbered-lines.ts';

/** The work of each child of a race. */
export interface Branch {
  readonly argv: readonly string[];
  /** A shell script whose last line of output is the score; without it the command's own last line is. */
  readonly score?: string | undefined;
  readonly user?: string | undefined;
  readonly workdir?: string | undefined;
  /** Whether the output of the commands is not shown. */
  readonly quiet: boolean;
}

/**
 * Runs the command of a branch, and then the script that judges it; resolves to the output that ends with the score.
 * Lines of both appear on stderr, behind the number of the child. Throws a CommandError where one of them fails.
 */
export async function runBranch(
  { commands }: Pick<Sandbox, 'commands'>,
  index: number,
  { argv, score, user, workdir: cwd, quiet }: Branch,
  signal: AbortSignal,
): Promise<string> {
  const number = String(index + 1);
  const lines = new NumberedLines(`${number}: `, 'stderr', signal);
  const show = (text: string) => lines.add(text);
  const shown = quiet ? {} : { onStdout: show, onStderr: show };
  const how = { ...shown, cwd, user, env: { [indexVariable]: number }, signal };
  const ran = await commands.run(argv, how);
  const judged = score === undefined ? ran : await commands.run(score, how);
  await lines.end();
  return judged.stdout;
}

/** The number on the last line; not a number where there is none. */
export function scoreIn(output: string): number {
  const last = output.trimEnd().split('\n').at(-1)?.trim() ?? '';
  return last === '' ? Number.NaN : Number(last);
}
