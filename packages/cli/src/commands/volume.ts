import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { VolumeInfo } from 'novasandbox';
import { parseCopyPath, type CopyPath } from '../args/copy-path.ts';
import { parseMemorySize } from '../args/memory-size.ts';
import { copyAll, splitPaths } from '../copy/copy-all.ts';
import { addCopyOptions, copying, type CopyingOptions } from '../copying.ts';
import { openEngine } from '../open-engine.ts';
import { reportError } from '../render/error.ts';
import { printJson } from '../render/json.ts';
import { mebibytesOf } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';
import { UsageError } from '../usage-error.ts';

export function define(command: Command): void {
  command.description('Volumes: disks with a name, which outlive the sandboxes that use them.').addHelpText(
    'after',
    `
One sandbox may have a volume to write to it, or several to read it (:ro).

Examples:
  nova volume create cache --size 4g
  nova volume cp ./wheels cache:/
  nova run -v cache:/var/cache:ro -- ls /var/cache
  nova volume rm cache`,
  );
  command
    .command('create')
    .description('Create an empty volume and print its id. It takes space only as it is written to.')
    .argument('<name>', 'its name')
    .option('--size <size>', 'MiB, 512m or 2g (default: 1g)', parseMemorySize)
    .option('--json', 'print all about it as JSON')
    .addHelpText('after', '\nExample:\n  nova volume create pgdata --size 20g')
    .action((name: string, options: { readonly size?: number; readonly json?: boolean }) => create(name, options));
  command
    .command('ls')
    .description('List volumes.')
    .option('-q, --quiet', 'names alone')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  nova volume ls')
    .action((options: { readonly quiet?: boolean; readonly json?: boolean }) => ls(options));
  command
    .command('inspect')
    .description('Show all about volumes, as JSON.')
    .argument('<volume...>', 'names, ids, or beginnings of ids')
    .option('--json', 'print as JSON, which is the default')
    .addHelpText('after', "\nExample:\n  nova volume inspect cache | jq '.[0].usedBy'")
    .action((refs: string[]) => inspect(refs));
  command
    .command('resize')
    .description('Make a volume larger, with its file system.')
    .argument('<volume>', 'name, id, or beginning of the id')
    .argument('<size>', 'MiB, 512m or 2g', parseMemorySize)
    .option('--json', 'print all about it as JSON')
    .addHelpText('after', '\nExample:\n  nova volume resize cache 8g')
    .action((ref: string, size: number, { json }: { readonly json?: boolean }) => resize(ref, size, json ?? false));
  command
    .command('rm')
    .description('Remove volumes with their contents.')
    .argument('<volume...>', 'names, ids, or beginnings of ids')
    .option('-f, --force', 'also those that stopped sandboxes need to start again')
    .option('--json', 'print what was removed as JSON')
    .addHelpText('after', '\nExample:\n  nova volume rm cache')
    .action((refs: string[], options: { readonly force?: boolean; readonly json?: boolean }) => rm(refs, options));
  addCopyOptions(command.command('cp'), 'volume')
    .description('Copy files between host and volume, whether or not a sandbox has it.')
    .addHelpText(
      'after',
      `
Where no sandbox has the volume, a small one is started for the copy. "nova cp" explains how sources and destination are read.

Examples:
  nova volume cp ./data cache:/
  nova volume cp cache:/results/. ./results`,
    )
    .action((paths: string[], options: CopyingOptions) => cp(paths.map(parseCopyPath), options));
}

async function create(
  name: string,
  { size, json = false }: { readonly size?: number; readonly json?: boolean },
): Promise<void> {
  await using engine = await openEngine();
  const made = await engine.volumes.create({ name, ...(size === undefined ? {} : { sizeMb: size }) });
  if (json) printJson(made);
  else process.stdout.write(`${printable(made.id)}\n`);
}

async function ls({ quiet = false, json = false }: { readonly quiet?: boolean; readonly json?: boolean }) {
  await using engine = await openEngine();
  const volumes = await engine.volumes.list();
  if (json) printJson(volumes);
  else if (quiet) process.stdout.write(volumes.map(({ name }) => `${printable(name)}\n`).join(''));
  else process.stdout.write(renderTable(header, volumes.map(toRow)));
}

const header = ['NAME', 'ID', 'SIZE', 'ON HOST', 'USED BY', 'CREATED'];

function toRow({ name, id, sizeMb, usedMb, usedBy, createdAt }: VolumeInfo): string[] {
  const users = usedBy.map(
    ({ sandboxId, sandboxName, readOnly, attached }) =>
      `${sandboxName ?? sandboxId}${readOnly ? ':ro' : ''}${attached ? '' : ' (stopped)'}`,
  );
  return [name, id, mebibytesOf(sizeMb), mebibytesOf(usedMb), users.length === 0 ? '-' : users.join(', '), createdAt];
}

async function inspect(refs: readonly string[]): Promise<void> {
  await using engine = await openEngine();
  printJson(await Promise.all(refs.map((ref) => engine.volumes.get(ref))));
}

async function resize(ref: string, sizeMb: number, json: boolean): Promise<void> {
  await using engine = await openEngine();
  const info = await engine.volumes.resize(ref, sizeMb);
  if (json) printJson(info);
  else process.stdout.write(`${printable(info.name)}: ${mebibytesOf(info.sizeMb)}\n`);
}

async function rm(
  refs: readonly string[],
  { force = false, json = false }: { readonly force?: boolean; readonly json?: boolean },
): Promise<void> {
  await using engine = await openEngine();
  const removed: string[] = [];
  for (const ref of new Set(refs)) {
    try {
      await engine.volumes.remove(ref, { force });
      removed.push(ref);
      if (!json) process.stdout.write(`${printable(ref)}\n`);
    } catch (error) {
      process.exitCode = await reportError(error, { json, exitCode: 1 });
    }
  }
  if (json) printJson(removed.map((ref) => ({ ref })));
}

async function cp(paths: readonly CopyPath[], options: CopyingOptions): Promise<void> {
  const sides = splitPaths(paths, 'volume');
  const [ref, ...others] = new Set(
    [...sides.sources, sides.destination].flatMap((path) => (path.kind === 'sandbox' ? [path.ref] : [])),
  );
  if (ref === undefined || others.length > 0) throw new UsageError('One copy is to or from one volume.');
  await copying(options, sides.destination, async (engine, how) => {
    const { Volume } = await import('novasandbox');
    const volume = await Volume.get(ref, { engine });
    await using opened = await volume.open({ signal: how.signal, onProgress: how.progress });
    const { sandbox, path: root } = opened;
    const share = { sandbox, at: (path: string) => `${root}/${path}`, [Symbol.asyncDispose]: () => Promise.resolve() };
    return await copyAll(sides, () => Promise.resolve(share), how);
  });
}
