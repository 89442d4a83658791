import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { Decision } from '@novasandbox/protocol';
import { addRuleOptions, choosePolicy, type PolicyOptions } from '../args/policy.ts';
import { openEngine } from '../open-engine.ts';
import { defineApprovals } from '../policies/approvals.ts';
import { chosenPolicy } from '../policies/chosen-policy.ts';
import { defineLearn } from '../policies/learn.ts';
import { defineNamed } from '../policies/named.ts';
import { showPresets } from '../policies/presets.ts';
import { tryPolicy, type TryOptions } from '../policies/try-policy.ts';
import { Interrupts } from '../process/interrupts.ts';
import { printJson, toJsonLine } from '../render/json.ts';
import { UsageError } from '../usage-error.ts';

interface LogOptions {
  readonly denied?: boolean;
  readonly follow?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command.description('Network policies: what sandboxes may reach.').addHelpText(
    'after',
    `
"nova run" and "nova create" take --net, --allow and --deny.

Examples:
  nova policy set box none
  nova policy set box --allow api.github.com --allow preset:npm
  nova policy log box --denied
  nova policy create web --allow preset:npm
  nova run --net web -- npm ci
  nova policy learn -- npm ci
  nova policy test https://api.github.com/user --allow preset:github`,
  );
  addRuleOptions(command.command('set'))
    .description('Change what a sandbox may reach, also while it runs; connections that are denied now end.')
    .argument('<sandbox>', 'id, beginning of the id, or name')
    .argument('[policy]', 'none, all, the name of a policy, or a JSON file')
    .addHelpText('after', '\nExample:\n  nova policy set box none --allow api.github.com')
    .action((ref: string, net: string | undefined, options: PolicyOptions) => set(ref, { ...options, net }));
  command
    .command('get')
    .description('Print the policy of a sandbox as JSON.')
    .argument('<sandbox>', 'id, beginning of the id, or name')
    .option('--json', 'print as JSON, which is the default')
    .addHelpText('after', '\nExample:\n  nova policy get box')
    .action((ref: string) => get(ref));
  command
    .command('log')
    .description('Show the latest decisions about what a sandbox wanted to reach, and what would allow it.')
    .argument('<sandbox>', 'id, beginning of the id, or name')
    .option('--denied', 'denials alone')
    .option('-f, --follow', 'go on with new ones')
    .option('--json', 'print as JSON, one document a line')
    .addHelpText('after', '\nExample:\n  nova policy log box --denied')
    .action((ref: string, options: LogOptions) => log(ref, options));
  defineNamed(command);
  defineApprovals(command);
  defineLearn(command);
  addRuleOptions(command.command('test'))
    .description('Say what a policy does with an address, and why. Ends with 1 where it is denied.')
    .argument('<url>', 'https://host/path, http://host/path, tcp://host:port, or a host')
    .argument('[policy]', 'none, all, a name, or a JSON file (default: none, or all with --deny alone)')
    .option('--method <method>', 'method of the request (default: GET)')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  nova policy test https://gist.github.com --allow preset:github')
    .action((url: string, net: string | undefined, options: TryOptions) => tryPolicy(url, { ...options, net }));
  addRuleOptions(command.command('show'))
    .description('Print a policy whole, as JSON, with the rules of --allow and --deny.')
    .argument('[policy]', 'none, all, a name, or a JSON file (default: none, or all with --deny alone)')
    .option('--json', 'print as JSON, which is the default')
    .addHelpText('after', '\nExample:\n  nova policy show --allow preset:npm --allow api.github.com > policy.json')
    .action(async (net: string | undefined, options: PolicyOptions) =>
      printJson(await chosenPolicy({ ...options, net })),
    );
  command
    .command('presets')
    .description('List the presets: the hosts that a service needs.')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  nova policy presets')
    .action((options: { readonly json?: boolean }) => showPresets(options));
}

async function set(ref: string, options: PolicyOptions): Promise<void> {
  const policy = await choosePolicy(options);
  if (policy === undefined) throw new UsageError('Say what it may reach: a policy, --allow or --deny.');
  await using engine = await openEngine();
  await engine.sandboxes.setPolicy(ref, policy);
}

async function get(ref: string): Promise<void> {
  await using engine = await openEngine();
  const { policy = 'all' } = await engine.sandboxes.config(ref);
  printJson(policy);
}

async function log(ref: string, { denied = false, follow = false, json = false }: LogOptions): Promise<void> {
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  const decisions = await engine.sandboxes.decisions(ref, { denied, follow, signal: interrupts.signal });
  try {
    for await (const decision of decisions)
      process.stdout.write(`${json ? toJsonLine(decision) : printable(lineOf(decision))}\n`);
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
  }
  if (interrupts.signal.aborted) process.exitCode = interrupts.exitCode;
}

/** Formats a decision for people. */
function lineOf({ at, action, protocol, host, address, port, method, path, rule, remedy }: Decision): string {
  const request = method === undefined ? '' : ` ${method} ${path ?? ''}`;
  const why = remedy === null ? '' : `  ${remedy}`;
  return `${at}  ${action.padEnd(5)}  ${protocol} ${host ?? address ?? '-'}:${port}${request}  (${rule})${why}`;
}
