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
}

export function define(command: Command): void {
  command
    .option('-a, --all', 'stopped and failed ones too')
    .option('-q, --quiet', 'ids alone')
    .option('--label <key=value>', 'those with this label, may be repeated', parseLabel)
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      `
Examples:
  nova ls --all
  nova ls --label team=infra --json
  nova rm --force $(nova ls -q)`,
    )
    .action((options: Options) => ls(options));
}

async function ls({ all = false, quiet = false, json = false, label }: Options): Promise<void> {
  await using engine = await openEngine();
  const sandboxes = await engine.sandboxes.list({ all, ...(label === undefined ? {} : { labels: label }) });
  if (json) printJson(sandboxes);
  else if (quiet) process.stdout.write(sandboxes.map(({ id }) => `${printable(id)}\n`).join(''));
  else process.stdout.write(renderTable(header, sandboxes.map(toRow)));
}

const header = ['ID', 'NAME', 'TEMPLATE', 'STATE', 'CREATED', 'MEMORY', 'VCPUS', 'START', 'PORT'];

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
