import type { Command } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '@novasandbox/engine';
import type { SandboxStats } from '@novasandbox/protocol';
import { parseDuration } from '../args/duration.ts';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { printJson, toJsonLine } from '../render/json.ts';
import { bytesOf, mebibytesOf, spanOf } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';

interface Options {
  readonly stream?: boolean;
  readonly interval: number;
  readonly json?: boolean;
}

interface Sample {
  readonly id: string;
  readonly name: string | null;
  readonly stats: SandboxStats;
}

export function define(command: Command): void {
  command
    .argument('[sandbox...]', 'ids, beginnings of ids, or names (default: all that run)')
    .option('-s, --stream', 'repeat until Ctrl-C')
    .option('--interval <time>', 'time between two rounds of --stream', parseDuration, 1000)
    .option('--json', 'print as JSON; with --stream one document a line')
    .addHelpText(
      'after',
      `
CPU is a share of one core: since the last round with --stream, otherwise since the start. RSS is the VMM's memory on the host.

Examples:
  nova stats
  nova stats --stream box
  nova stats --json box | jq '.[0].stats.memoryUsageMb'`,
    )
    .action((refs: string[], options: Options) => stats(refs, options));
}

async function stats(refs: readonly string[], { stream = false, interval, json = false }: Options): Promise<void> {
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  let before = new Map<string, SandboxStats>();
  for (;;) {
    const samples = await sample(engine, refs);
    if (!stream && json) printJson(samples);
    else if (json) process.stdout.write(`${toJsonLine(samples)}\n`);
    else process.stdout.write((stream && process.stdout.isTTY ? '\x1b[H\x1b[J' : '') + render(samples, before));
    if (!stream) return;
    before = new Map(samples.map((each) => [each.id, each.stats]));
    const over = await sleep(interval, false, { signal: interrupts.signal }).catch(() => true);
    if (over) return;
  }
}

async function sample(engine: Engine, refs: readonly string[]): Promise<Sample[]> {
  const { sandboxes } = engine;
  if (refs.length > 0) {
    return Promise.all(
      refs.map(async (ref) => {
        const { id, name } = await sandboxes.get(ref);
        return { id, name, stats: await sandboxes.stats(id) };
      }),
    );
  }
  const running = (await sandboxes.list()).filter(({ state }) => state === 'running');
  // A sandbox that ends between the two calls is left out.
  const samples = await Promise.allSettled(
    running.map(async ({ id, name }) => ({ id, name, stats: await sandboxes.stats(id) })),
  );
  return samples.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
}

const header = ['ID', 'NAME', 'CPU', 'MEMORY', 'DISK', 'PROCESSES', 'NET IN / OUT', 'RSS', 'UPTIME'];

function render(samples: readonly Sample[], before: ReadonlyMap<string, SandboxStats>): string {
  return renderTable(
    header,
    samples.map(({ id, name, stats: now }) => [
      id,
      name ?? '-',
      `${cpuPercent(now, before.get(id)).toFixed(1)} %`,
      `${mebibytesOf(now.memoryUsageMb)} / ${mebibytesOf(now.memoryTotalMb)}`,
      `${mebibytesOf(now.diskUsageMb)} / ${mebibytesOf(now.diskTotalMb)}`,
      String(now.processes),
      `${bytesOf(now.networkRxBytes)} / ${bytesOf(now.networkTxBytes)}`,
      mebibytesOf(now.host.rssMb),
      spanOf(now.uptimeMs),
    ]),
  );
}

function cpuPercent(now: SandboxStats, before: SandboxStats | undefined): number {
  const usedUs = now.cpuUsageUs - (before?.cpuUsageUs ?? 0);
  const passedMs = before === undefined ? now.uptimeMs : Date.parse(now.timestamp) - Date.parse(before.timestamp);
  return passedMs <= 0 ? 0 : Math.max(0, usedUs / 10 / passedMs);
}
