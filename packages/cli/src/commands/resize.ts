import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import { parseMemorySize } from '../args/memory-size.ts';
import { parseWholeNumber } from '../args/whole-number.ts';
import { openEngine } from '../open-engine.ts';
import { printJson } from '../render/json.ts';
import { mebibytesOf } from '../render/quantity.ts';
import { UsageError } from '../usage-error.ts';

interface Options {
  readonly disk?: number;
  readonly memory?: number;
  readonly vcpus?: number;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .argument('<sandbox>', 'id, beginning of the id, or name')
    .option('--disk <size>', 'size of the writable disk, which can only grow: MiB, 512m or 2g', parseMemorySize)
    .option('--memory <size>', 'memory of a running sandbox: MiB, 512m or 2g', parseMemorySize)
    .option('--vcpus <count>', 'virtual CPUs of a running sandbox', parseWholeNumber)
    .option('--json', 'print all about the sandbox as JSON')
    .addHelpText(
      'after',
      `
A disk grows with its file system: at once in a running sandbox, at the next start in a stopped one.

Examples:
  nova resize box --disk 20g
  nova resize box --vcpus 4 --memory 2g`,
    )
    .action((ref: string, options: Options) => resize(ref, options));
}

async function resize(ref: string, { disk, memory, vcpus, json = false }: Options): Promise<void> {
  const sizes = {
    ...(vcpus === undefined ? {} : { vcpus }),
    ...(memory === undefined ? {} : { memoryMb: memory }),
    ...(disk === undefined ? {} : { diskSizeMb: disk }),
  };
  if (Object.keys(sizes).length === 0) throw new UsageError('Say what to change: --disk, --memory or --vcpus.');
  await using engine = await openEngine();
  const info = await engine.sandboxes.resize(ref, sizes);
  if (json) printJson(info);
  else {
    const { vcpus: cpus, memoryMb, diskSizeMb } = info;
    const facts = `${cpus} vCPUs, ${mebibytesOf(memoryMb)} of memory, ${mebibytesOf(diskSizeMb)} of disk`;
    process.stdout.write(`${printable(info.name ?? info.id)}: ${facts}\n`);
  }
}
