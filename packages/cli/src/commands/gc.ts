import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { Collected } from 'novasandbox';
import { openEngine } from '../open-engine.ts';
import { printJson } from '../render/json.ts';
import { bytesOf } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';

interface Options {
  readonly dryRun?: boolean;
  readonly all?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .option('-n, --dry-run', 'remove nothing, and show what would be removed')
    .option('--all', 'also what somebody might still want: look at it with --dry-run first')
    .option('--json', 'print as JSON, with sizes in bytes')
    .addHelpText(
      'after',
      `
Removes what no template, sandbox or snapshot needs: images, kernels and golden snapshots that were replaced, and what
killed processes have left. Sandboxes, snapshots and volumes stay; "nova prune" removes sandboxes that have ended.

With --all also the files of sandboxes that the store does not know, what a restored backup has replaced, copies from
before an upgrade, and what makes the next build quicker.

Examples:
  nova gc --dry-run
  nova gc`,
    )
    .action((options: Options) => gc(options));
}

async function gc({ dryRun = false, all = false, json = false }: Options): Promise<void> {
  await using engine = await openEngine();
  const collected = await engine.storage.collect({ dryRun, all });
  if (json) printJson(collected);
  else show(collected, dryRun, all);
}

function show({ removed, kept, freed, adopted, problems }: Collected, dryRun: boolean, all: boolean): void {
  const rows = (things: Collected['removed']): string[][] =>
    things.map(({ name, bytes, reason }) => [bytesOf(bytes), name, reason ?? '']);
  if (removed.length > 0)
    process.stdout.write(renderTable(['SIZE', dryRun ? 'WOULD BE REMOVED' : 'REMOVED', 'WHY'], rows(removed)));
  process.stdout.write(`${dryRun ? 'Would be freed' : 'Freed'}: ${bytesOf(freed)}\n`);
  if (kept.length > 0) {
    process.stdout.write(`\n${all ? 'Kept' : 'Kept, unless --all is given'}:\n`);
    process.stdout.write(renderTable(['SIZE', 'NAME', 'WHY'], rows(kept)));
  }
  for (const id of adopted)
    process.stdout.write(
      `The snapshot ${printable(id)}, which the store had lost, ${dryRun ? 'can be used' : 'is there'} again.\n`,
    );
  for (const problem of problems) process.stderr.write(`nova: ${printable(problem)}\n`);
}
