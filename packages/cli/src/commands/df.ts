import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import { openEngine } from '../open-engine.ts';
import { printJson } from '../render/json.ts';
import { bytesOf } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';

export function define(command: Command): void {
  command
    .option('--json', 'print as JSON, with sizes in bytes')
    .addHelpText(
      'after',
      `
Sizes are what files take on the disk. "nova gc" gives back what is reclaimable.

Examples:
  nova df
  nova df --json | jq .reclaimable`,
    )
    .action(({ json = false }: { readonly json?: boolean }) => df(json));
}

async function df(json: boolean): Promise<void> {
  await using engine = await openEngine();
  const usage = await engine.storage.usage();
  if (json) return printJson(usage);
  const rows = usage.kinds
    .filter(({ bytes, count }) => bytes > 0 || count > 0)
    .map(({ kind, count, bytes, reclaimable }) => [kind, String(count), bytesOf(bytes), bytesOf(reclaimable)]);
  rows.push(['total', '', bytesOf(usage.used), bytesOf(usage.reclaimable)]);
  process.stdout.write(renderTable(['KIND', 'COUNT', 'SIZE', 'RECLAIMABLE'], rows));
  process.stdout.write('\nLargest:\n');
  const largest = usage.largest.map(({ name, bytes, reason }) => [`  ${bytesOf(bytes)}`, name, reason ?? '']);
  process.stdout.write(renderTable(['  SIZE', 'NAME', 'NOT NEEDED'], largest));
  const { folder, free, total } = usage;
  process.stdout.write(`\n${printable(folder)}: ${bytesOf(free)} of ${bytesOf(total)} free on its file system\n`);
  if (!usage.complete)
    process.stderr.write('nova: there are too many files to look at all: the sizes are too small.\n');
  for (const problem of usage.problems) process.stderr.write(`nova: ${printable(problem)}\n`);
}
