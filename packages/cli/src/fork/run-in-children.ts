import type { Engine } from '@novasandbox/engine';
import type { SandboxInfo } from '@novasandbox/protocol';
import type { Interrupts } from '../process/interrupts.ts';
import { runCommand, type CommandToRun } from '../process/run-command.ts';
import { printJson } from '../render/json.ts';
import { indexVariable } from './index-variable.ts';
import { NumberedLines } from './numbered-lines.ts';

/**
 * Runs a command in each child at once. The output of an only child is printed as it is, lines of several begin with
 * the child's number. Resolves to the exit code of the first command that failed.
 */
export async function runInChildren(
  engine: Engine,
  children: readonly SandboxInfo[],
  command: CommandToRun,
  count: number,
  interrupts: Interrupts,
): Promise<number> {
  const numbered = children.map(({ id }, index) => ({ id, number: index + 1 }));
  const [only] = numbered;
  const { json = false } = command.options;
  if (count === 1 && only !== undefined && !json)
    return runCommand(engine, only.id, { ...command, env: { [indexVariable]: '1' } }, interrupts);
  const work = numbered.map((child) => runNumbered(engine, child, command, interrupts.signal));
  // A command that could not be run does not cut the output of the others.
  await Promise.allSettled(work);
  const results = await Promise.all(work);
  if (json) printJson(results);
  return results.find(({ exitStatus }) => exitStatus !== 0)?.exitStatus ?? 0;
}

async function runNumbered(
  engine: Engine,
  { id, number }: { readonly id: string; readonly number: number },
  { argv, user, options }: CommandToRun,
  signal: AbortSignal,
) {
  const { Sandbox } = await import('novasandbox');
  const { exitStatusOf } = await import('@novasandbox/protocol');
  const { json = false, workdir: cwd, timeout: timeoutMs } = options;
  const prefix = `${number}: `;
  const [out, err] = [new NumberedLines(prefix, 'stdout', signal), new NumberedLines(prefix, 'stderr', signal)];
  await using sandbox = await Sandbox.connect(id, { engine });
  const shown = json
    ? {}
    : { onStdout: (text: string) => out.add(text), onStderr: (text: string) => err.add(text), maxOutputBytes: 0 };
  const env = { [indexVariable]: String(number) };
  const {
    usage,
    stdoutBytes: _out,
    stderrBytes: _err,
    ...result
  } = await sandbox.commands.run(argv, {
    ...shown,
    cwd,
    timeoutMs,
    user,
    env,
    signal,
    check: false,
  });
  await out.end();
  await err.end();
  return { sandboxId: id, number, exitStatus: exitStatusOf(result), ...result, usage };
}
