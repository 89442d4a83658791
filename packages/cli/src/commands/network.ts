import type { Command } from 'commander';
import type { Isolation } from '@novasandbox/protocol';
import { printable } from '@novasandbox/protocol/visible';
import type { NetworkInfo } from 'novasandbox';
import { openEngine } from '../open-engine.ts';
import { reportError } from '../render/error.ts';
import { printJson } from '../render/json.ts';
import { renderTable } from '../render/table.ts';

interface Options {
  readonly json?: boolean;
}

const levels = ['minimal', 'moderate', 'strict'];

export function define(command: Command): void {
  command.description('Private networks, in which sandboxes reach each other by address and by name.').addHelpText(
    'after',
    `
A member is known to the others as <sandbox>.<network>. Nobody else reaches it by the network.

Examples:
  nova network create backend
  nova create --name db --network backend
  nova run --network backend -- curl http://db.backend:8080/
  nova network inspect backend | jq '.[0].members'
  nova network rm backend`,
  );
  command
    .command('create')
    .description('Make a private network and print its id.')
    .argument('<name>', 'up to 32 small letters, digits and hyphens')
    .option('--subnet <subnet>', 'its addresses, such as 10.20.0.0/24 (default: a free /24)')
    .option('--isolation <level>', 'minimal: members reach each other; moderate: by ping alone; strict: not at all')
    .option('--bridge <name>', 'name of its bridge, which is in a namespace of its own (default: br0)')
    .option('--json', 'print all about it as JSON')
    .addHelpText('after', '\nExample:\n  nova network create backend --subnet 10.20.0.0/24')
    .action((name: string, options: CreateOptions) => create(name, options));
  command
    .command('ls')
    .description('List private networks.')
    .option('-q, --quiet', 'names alone')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  nova network ls')
    .action((options: Options & { readonly quiet?: boolean }) => ls(options));
  command
    .command('inspect')
    .description('Show all about private networks, with the addresses of their members, as JSON.')
    .argument('<network...>', 'names, ids, or beginnings of ids')
    .option('--json', 'print as JSON, which is the default')
    .addHelpText('after', '\nExample:\n  nova network inspect backend')
    .action((refs: string[]) => inspect(refs));
  command
    .command('isolate')
    .description('Change what the members of a network may send each other, at once.')
    .argument('<network>', 'name, id, or beginning of the id')
    .argument('<level>', `${levels.join(', ')}; see "nova network create"`)
    .option('--json', 'print all about it as JSON')
    .addHelpText('after', '\nExample:\n  nova network isolate backend strict')
    .action((ref: string, level: string, options: Options) => isolate(ref, level, options));
  command
    .command('rm')
    .description('Remove private networks without members.')
    .argument('<network...>', 'names, ids, or beginnings of ids')
    .option('--json', 'print what was removed as JSON')
    .addHelpText('after', '\nExample:\n  nova network rm backend')
    .action((refs: string[], options: Options) => rm(refs, options));
}

interface CreateOptions extends Options {
  readonly subnet?: string;
  readonly isolation?: string;
  readonly bridge?: string;
}

/** The level is checked by the schema, which knows them. */
async function create(name: string, { json = false, isolation, ...given }: CreateOptions): Promise<void> {
  await using engine = await openEngine();
  const level = isolation === undefined ? {} : { isolation: isolation as Isolation };
  const made = await engine.networks.create({ name, ...given, ...level });
  if (json) printJson(made);
  else process.stdout.write(`${printable(made.id)}\n`);
}

async function ls({ quiet = false, json = false }: Options & { readonly quiet?: boolean }): Promise<void> {
  await using engine = await openEngine();
  const networks = await engine.networks.list();
  if (json) printJson(networks);
  else if (quiet) process.stdout.write(networks.map(({ name }) => `${printable(name)}\n`).join(''));
  else process.stdout.write(renderTable(['NAME', 'ID', 'SUBNET', 'ISOLATION', 'MEMBERS'], networks.map(toRow)));
}

function toRow({ name, id, subnet, isolation, members }: NetworkInfo): string[] {
  const names = members.map(({ sandboxId, sandboxName }) => sandboxName ?? sandboxId);
  return [name, id, subnet, isolation, names.length === 0 ? '-' : names.join(', ')];
}

async function inspect(refs: readonly string[]): Promise<void> {
  await using engine = await openEngine();
  printJson(await Promise.all(refs.map((ref) => engine.networks.get(ref))));
}

async function isolate(ref: string, level: string, { json = false }: Options): Promise<void> {
  await using engine = await openEngine();
  const info = await engine.networks.isolate(ref, level as Isolation);
  if (json) printJson(info);
  else process.stdout.write(`${printable(info.name)}: ${info.isolation}\n`);
}

async function rm(refs: readonly string[], { json = false }: Options): Promise<void> {
  await using engine = await openEngine();
  const removed: string[] = [];
  for (const ref of new Set(refs)) {
    try {
      await engine.networks.remove(ref);
      removed.push(ref);
      if (!json) process.stdout.write(`${printable(ref)}\n`);
    } catch (error) {
      process.exitCode = await reportError(error, { json, exitCode: 1 });
    }
  }
  if (json) printJson(removed.map((ref) => ({ ref })));
}
