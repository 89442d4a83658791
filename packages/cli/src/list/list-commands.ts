import type { Engine } from '@novasandbox/engine';
import type { ProcessInfo } from '@novasandbox/protocol';
import { printJson } from '../render/json.ts';
import { spanOf } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';

/** Lists the commands of a sandbox: the running ones or, with `all`, every command that the guest remembers. */
export async function listCommands(
  engine: Engine,
  ref: string,
  { all, quiet, json }: { readonly all: boolean; readonly quiet: boolean; readonly json: boolean },
): Promise<void> {
  const { Sandbox } = await import('novasandbox');
  await using sandbox = await Sandbox.connect(ref, { engine });
  const commands = (await sandbox.commands.list()).filter(({ running }) => all || running);
  if (json) printJson(commands);
  else if (quiet) process.stdout.write(commands.map(({ id }) => `${id}\n`).join(''));
  else process.stdout.write(renderTable(header, commands.map(toRow)));
}

const header = ['ID', 'PID', 'STATE', 'STARTED', 'USER', 'TERMINAL', 'TAG', 'COMMAND'];

function toRow({ id, pid, running, exitCode, startedAt, user, pty, tag, argv }: ProcessInfo): string[] {
  return [
    String(id),
    String(pid),
    running ? 'running' : `ended: ${exitCode ?? '?'}`,
    `${spanOf(Date.now() - Date.parse(startedAt))} ago`,
    user,
    pty ? 'yes' : 'no',
    tag === '' ? '-' : tag,
    argv.join(' '),
  ];
}
