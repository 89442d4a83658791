import type { Command } from 'commander';
import { NovaError } from '@novasandbox/protocol';
import { printable } from '@novasandbox/protocol/visible';
import type { PortForward, Sandbox } from 'novasandbox';
import { parseDuration } from '../args/duration.ts';
import { parsePortRange, type PortPair } from '../args/port-range.ts';
import { parseWholeNumber } from '../args/whole-number.ts';
import { openEngine } from '../open-engine.ts';
import { printJson } from '../render/json.ts';
import { renderTable } from '../render/table.ts';

interface Options {
  readonly json?: boolean;
}

export function define(command: Command): void {
  command.description('Ports of running sandboxes, which a daemon forwards from 127.0.0.1 of its host.').addHelpText(
    'after',
    `
Works with or without a network in the sandbox. Without a daemon use "nova ssh -N -L 8080:localhost:3000 box".

Examples:
  nova port add box 8080:3000
  nova port add box 8000-8010
  nova port ls box
  nova port rm box 8000-8010
  nova port url box 3000`,
  );
  command
    .command('ls')
    .description('List the forwarded ports of a sandbox.')
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  nova port ls box')
    .action((ref: string, options: Options) => ls(ref, options));
  command
    .command('add')
    .description('Forward ports of the host to a sandbox, all of them or none.')
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .argument('<host:guest>', 'ports, such as 8080:3000, or ranges of them; one port stands for both', parsePortRange)
    .option('--json', 'print the forwards as JSON')
    .addHelpText('after', '\nExamples:\n  nova port add box 3000\n  nova port add box 8000-8010:3000-3010')
    .action((ref: string, pairs: readonly PortPair[], options: Options) => add(ref, pairs, options));
  command
    .command('rm')
    .description('End forwards and their connections.')
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .argument('<host port>', 'a port of the host, or a range', parsePortRange)
    .option('--json', 'print the forwards that were ended as JSON')
    .addHelpText('after', '\nExample:\n  nova port rm box 8080')
    .action((ref: string, pairs: readonly PortPair[], options: Options) => rm(ref, pairs, options));
  command
    .command('url')
    .description('Print an address that opens one port of a sandbox to whoever has it. It is not shown again.')
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .argument('<port>', 'port in the sandbox', parseWholeNumber)
    .option('--expires <time>', 'how long it is valid, such as 30m (default: 1h)', parseDuration)
    .option('--keep-host', 'pass the Host of the browser on; dev servers want localhost, which is the default')
    .option('--json', 'print all about it as JSON')
    .addHelpText('after', '\nExample:\n  nova port url box 3000 --expires 1d')
    .action((ref: string, port: number, options: UrlOptions) => makeUrl(ref, port, options));
  command
    .command('urls')
    .description('List the addresses of a sandbox that are valid, without their tokens.')
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  nova port urls box')
    .action((ref: string, options: Options) => urls(ref, options));
  command
    .command('revoke')
    .description('Revoke an address at once.')
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .argument('<id>', 'the id that "nova port urls" lists')
    .addHelpText('after', '\nExample:\n  nova port revoke box 1f2e3d4c5b6a')
    .action((ref: string, id: string) => withSandbox(ref, ({ ports }) => ports.revokeUrl(id)));
}

interface UrlOptions extends Options {
  readonly expires?: number;
  readonly keepHost?: boolean;
}

async function makeUrl(
  ref: string,
  port: number,
  { expires, keepHost = false, json = false }: UrlOptions,
): Promise<void> {
  const made = await withSandbox(ref, ({ ports }) =>
    ports.createUrl({ port, expiresInMs: expires, rewriteHost: !keepHost }),
  );
  if (json) printJson(made);
  else process.stdout.write(`${printable(made.url)}\n`);
}

async function urls(ref: string, { json = false }: Options): Promise<void> {
  const all = await withSandbox(ref, ({ ports }) => ports.listUrls());
  if (json) printJson(all);
  else
    process.stdout.write(
      renderTable(
        ['ID', 'PORT', 'EXPIRES'],
        all.map(({ id, port, expiresAt }) => [id, String(port), expiresAt]),
      ),
    );
}

async function ls(ref: string, { json = false }: Options): Promise<void> {
  const forwards = await withSandbox(ref, ({ ports }) => ports.list());
  if (json) printJson(forwards);
  else
    process.stdout.write(
      renderTable(
        ['HOST', 'GUEST', 'STATE'],
        forwards.map((each) => [
          `${each.hostAddress}:${each.hostPort}`,
          `${each.guestPort}/${each.protocol}`,
          each.listening ? 'open' : 'closed',
        ]),
      ),
    );
}

async function add(ref: string, pairs: readonly PortPair[], options: Options): Promise<void> {
  const made = await withSandbox(ref, async ({ ports }) => {
    const done: PortForward[] = [];
    try {
      for (const pair of pairs) done.push(await ports.add(pair));
      return done;
    } catch (error) {
      await Promise.allSettled(done.map(({ id }) => ports.remove(id)));
      throw error;
    }
  });
  show(made, options);
}

async function rm(ref: string, pairs: readonly PortPair[], options: Options): Promise<void> {
  const ended = await withSandbox(ref, async ({ ports }) => {
    const there = await ports.list();
    const wanted = pairs.map(({ hostPort }) => {
      const found = there.find((each) => each.hostPort === hostPort);
      if (found !== undefined) return found;
      throw new NovaError('not_found', `Port ${hostPort} of the host does not lead to this sandbox.`, {
        hint: 'List its ports with `nova port ls`.',
      });
    });
    for (const { id } of wanted) await ports.remove(id);
    return wanted;
  });
  show(ended, options);
}

function show(forwards: readonly PortForward[], { json = false }: Options): void {
  if (json) printJson(forwards);
  else process.stdout.write(forwards.map((each) => `${each.hostAddress}:${each.hostPort}\n`).join(''));
}

async function withSandbox<T>(ref: string, work: (sandbox: Sandbox) => Promise<T>): Promise<T> {
  await using engine = await openEngine();
  const { Sandbox } = await import('novasandbox');
  await using sandbox = await Sandbox.connect(ref, { engine });
  return await work(sandbox);
}
