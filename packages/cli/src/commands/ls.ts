import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { SandboxInfo } from '@novasandbox/protocol';
import { parseLabel } from '../args/key-value.ts';
import { openEngine } from '../open-engine.ts';
import { printJson } from '../render/json.ts';
import { mebibytesOf, spanOf } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';

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
    .option('-a, --all', 'stopped and failed ones too')
    .option('-q, --quiet', 'ids alone')
    .option('--label <key=value>', 'those with this label, may be repeated', parseLabel)
    .option('--owner <owner>', 'those of this owner, such as user:ann or key:1f2e')
    .option('--team <team>', 'those of this team')
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      `
Examples:
  nova ls --all
  nova ls --label team=infra --json
  nova ls --all --owner user:ann
  nova rm --force $(nova ls -q)

Over a daemon, those that its key may see: one's own, the team's for a power_user, all for an admin.`,
    )
    .action((options: Options) => ls(options));
}

async function ls({ all = false, quiet = false, json = false, label, owner, team }: Options): Promise<void> {
  await using engine = await openEngine();
  const filter = { all, owner, team, ...(label === undefined ? {} : { labels: label }) };
  const sandboxes = await engine.sandboxes.list(filter);
  if (json) printJson(sandboxes);
  else if (quiet) process.stdout.write(sandboxes.map(({ id }) => `${printable(id)}\n`).join(''));
  else {
    // On a host that is one's own nothing has an owner.
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
