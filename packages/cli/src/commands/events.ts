import type { Command } from 'commander';
import type { SandboxEvent } from '@novasandbox/protocol';
import { printable } from '@novasandbox/protocol/visible';
import { parseEventFilter, type EventFilters } from '../args/event-filter.ts';
import { parsePointInTime } from '../args/point-in-time.ts';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { toJsonLine } from '../render/json.ts';
import { UsageError } from '../usage-error.ts';

interface Options {
  readonly since?: Date;
  readonly filter?: EventFilters;
  readonly follow: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .option('--since <time>', 'include those since a time, or of a last period such as 10m', parsePointInTime)
    .option('--filter <key=value>', 'sandbox=<name>, or type=<type>, which may be repeated', parseEventFilter)
    .option('--no-follow', 'only the events that the daemon keeps')
    .option('--json', 'print as JSON, one document a line')
    .addHelpText(
      'after',
      `
Shows events until Ctrl-C; with a sandbox, until it is removed. Types are vm.creating, vm.created, vm.started, vm.paused,
vm.resumed, vm.stopped, vm.removed, vm.failed, vm.renamed, vm.timeout_changed, command.started, command.ended, template.building,
template.built, server.started and server.stopping; "type=vm" means all that begin with vm.

A daemon ("nova serve") keeps the newest 2000 events. Without a daemon the sandboxes of this host are checked four times a second
and changes are shown from now on; --since and --no-follow, commands and templates need a daemon.

Examples:
  nova events
  nova events --since 1h --filter sandbox=box
  nova events --filter type=vm.stopped --filter type=vm.failed --json`,
    )
    .action((options: Options) => events(options));
}

async function events({ since, filter = {}, follow, json = false }: Options): Promise<void> {
  using interrupts = new Interrupts();
  const { eventKindSchema } = await import('@novasandbox/protocol');
  const types = filter.types?.map((type) => {
    const known = eventKindSchema.safeParse(type);
    if (!known.success) throw new UsageError(`--filter: there is no type "${type}" ("nova events --help" lists them).`);
    return known.data;
  });
  await using engine = await openEngine();
  const told = engine.events({ sandbox: filter.sandbox, types, since, follow }, { signal: interrupts.signal });
  for await (const event of told) process.stdout.write(`${json ? toJsonLine(event) : printable(lineOf(event))}\n`);
  if (interrupts.signal.aborted) process.exitCode = interrupts.exitCode;
}

/** Formats an event for people: its time, type and sandbox, then the remaining data. */
function lineOf({ time, type, sandboxId, data }: SandboxEvent): string {
  const facts = Object.entries(data)
    .filter(([, value]) => value !== null && value !== false)
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return [time, type, sandboxId ?? '-', ...facts].join('  ').replaceAll('\n', ' ');
}
