import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { SandboxInfo } from '@novasandbox/protocol';
import { parseLabel } from '../args/key-value.ts';
import { listCommands } from '../list/list-commands.ts';
import { openEngine } from '../open-engine.ts';
import { printJson } from '../render/json.ts';
import { mebibytesOf, spanOf } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';
import { UsageError } from '../usage-error.ts';

interface Options {
  readonly all?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
  readonly label?: Readonly<Record<string, string>>;
  readonly owner?: string;
  readonly team?: string;
}

export function define(command: Command): void {
  command
    .argument('[sandbox]', 'list the commands of this sandbox instead')
    .option(
      '-a, --all',
      'include stopped and failed ones, besides those that run, are paused or hibernated; for a sandbox, commands that have ended',
    )
    .option('-q, --quiet', 'ids alone')
    .option('--label <key=value>', 'only those with this label, may be repeated', parseLabel)
    .option('--owner <owner>', 'only those of this owner, such as user:ann or key:1f2e')
    .option('--team <team>', 'only those of this team')
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      `
Examples:
  nova ls --all
  nova ls --label team=infra --json
  nova ls --all --owner user:ann
  nova rm --force $(nova ls -q)
  nova ps --all box

With a sandbox, lists the commands in it that were started by "nova exec" and the like, with the ids for "nova logs --exec" and
"nova attach"; the guest forgets a command ten minutes after its end.
Over a daemon, lists what the key may see: a user's own sandboxes, the team's for a power_user, all for an admin.`,
    )
    .action((ref: string | undefined, options: Options) =>
      ref === undefined ? ls(options) : lsCommands(ref, options),
    );
}

async function ls({ all = false, quiet = false, json = false, label, owner, team }: Options): Promise<void> {
  await using engine = await openEngine();
  const filter = { all, owner, team, ...(label === undefined ? {} : { labels: label }) };
  const sandboxes = await engine.sandboxes.list(filter);
  if (json) printJson(sandboxes);
  else if (quiet) process.stdout.write(sandboxes.map(({ id }) => `${printable(id)}\n`).join(''));
  else {
    // On a host with a single user, sandboxes have no owner.
    const owners = sandboxes.some((each) => each.owner !== null);
    const columns = owners ? [...header, ...ownerHeader] : header;
    process.stdout.write(
      renderTable(
        columns,
        sandboxes.map((each) => [...toRow(each), ...(owners ? ownerOf(each) : [])]),
      ),
    );
  }
}

async function lsCommands(ref: string, options: Options): Promise<void> {
  const { all = false, quiet = false, json = false, label, owner, team } = options;
  if (label !== undefined || owner !== undefined || team !== undefined) {
    throw new UsageError('--label, --owner and --team are for lists of sandboxes.');
  }
  await using engine = await openEngine();
  await listCommands(engine, ref, { all, quiet, json });
}

const header = ['ID', 'NAME', 'TEMPLATE', 'STATE', 'CREATED', 'MEMORY', 'VCPUS', 'START', 'PORT'];

const ownerHeader = ['OWNER', 'TEAM'];
const ownerOf = ({ owner, team }: SandboxInfo): string[] => [owner ?? '-', team ?? '-'];

function toRow(sandbox: SandboxInfo): string[] {
  const { bootTimeMs, bootKind } = sandbox.metadata;
  return [
    sandbox.id,
    sandbox.name ?? '-',
    sandbox.templateId,
    sandbox.state,
    `${spanOf(Date.now() - Date.parse(sandbox.createdAt))} ago`,
    mebibytesOf(sandbox.memoryMb),
    String(sandbox.vcpus),
    bootTimeMs === null ? '-' : `${Math.round(bootTimeMs)} ms ${bootKind ?? ''}`,
    sandbox.hostPort === null ? '-' : `${sandbox.hostPort}:${sandbox.guestPort}`,
  ];
}
