import type { Command } from 'commander';
import type { PoolClone, PoolShape, PoolStatus } from '@novasandbox/protocol';
import { openEngine } from '../open-engine.ts';
import { printJson } from '../render/json.ts';
import { mebibytesOf, spanOf } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';

interface Options {
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .description('The warm pool: clones that wait, paused, to become sandboxes at once.')
    .option('--json', 'print as JSON')
    .action((options: Options) => status(options))
    .addHelpText(
      'after',
      `
Without a subcommand, shows the pool of the daemon, or of this state folder where none runs.

Examples:
  nova pool
  nova pool drain`,
    );
  command
    .command('ls')
    .description('List the clones, the shapes of sandboxes they are for, and how creates were served.')
    .option('--json', 'print as JSON')
    .action((options: Options) => status(options));
  command
    .command('drain')
    .description('End the clones that wait. The next sandbox that is made starts the pool again.')
    .option('--json', 'print the number of clones that were ended as JSON')
    .action((options: Options) => drain(options));
}

async function status({ json = false }: Options): Promise<void> {
  await using engine = await openEngine();
  const pool = await engine.pool.status();
  if (json) return printJson(pool);
  const { clones, shapes } = pool;
  process.stdout.write(renderTable(cloneHeader, clones.map(toCloneRow)));
  if (shapes.length > 0) process.stdout.write(`\n${renderTable(shapeHeader, shapes.map(toShapeRow))}`);
  process.stdout.write(`\n${summaryOf(pool)}\n`);
}

async function drain({ json = false }: Options): Promise<void> {
  await using engine = await openEngine();
  const ended = await engine.pool.drain();
  if (json) printJson({ ended });
  else process.stdout.write(`${ended}\n`);
}

const cloneHeader = ['ID', 'TEMPLATE', 'STATE', 'MEMORY', 'VCPUS', 'CREATED', 'EXPIRES'];
function toCloneRow({ id, templateId, ready, memoryMb, vcpus, createdAt, expiresAt }: PoolClone): string[] {
  return [
    id,
    templateId,
    ready ? 'ready' : 'being made',
    mebibytesOf(memoryMb),
    String(vcpus),
    `${spanOf(Date.now() - Date.parse(createdAt))} ago`,
    expiresAt === null ? '-' : `in ${spanOf(Math.max(0, Date.parse(expiresAt) - Date.now()))}`,
  ];
}

const shapeHeader = ['TEMPLATE', 'MEMORY', 'VCPUS', 'NETWORK', 'WANTED', 'READY', 'HITS', 'MISSES', 'PROBLEM'];
function toShapeRow(shape: PoolShape): string[] {
  return [
    shape.templateId,
    mebibytesOf(shape.memoryMb),
    String(shape.vcpus),
    shape.enableNetwork ? 'yes' : 'no',
    ...[shape.wanted, shape.ready, shape.hits, shape.misses].map(String),
    shape.problem ?? '-',
  ];
}

function summaryOf({ keeps, size, max, made, hits, misses, discards }: PoolStatus): string {
  const kept = keeps ? `size ${size}, at most ${max}` : 'this engine keeps no clones';
  return `${kept}; ${made} made, ${hits} hits, misses: ${reasons(misses)}, discards: ${reasons(discards)}`;
}

function reasons(counts: Readonly<Record<string, number>>): string {
  const some = Object.entries(counts).filter(([, count]) => count > 0);
  return some.length === 0 ? 'none' : some.map(([reason, count]) => `${count} ${reason}`).join(', ');
}
