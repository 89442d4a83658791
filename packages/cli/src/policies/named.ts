import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { PolicyInfo } from 'novasandbox';
import { addRuleOptions, type PolicyOptions } from '../args/policy.ts';
import { openEngine } from '../open-engine.ts';
import { reportError } from '../render/error.ts';
import { printJson } from '../render/json.ts';
import { renderTable } from '../render/table.ts';
import { chosenPolicy } from './chosen-policy.ts';

interface NamedOptions extends PolicyOptions {
  readonly json?: boolean;
}

/** Adds the verbs for policies with names. */
export function defineNamed(command: Command): void {
  command
    .command('ls')
    .description('List the policies with names, and how many sandboxes name them.')
    .option('-q, --quiet', 'names alone')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  nova policy ls')
    .action((options: { readonly quiet?: boolean; readonly json?: boolean }) => ls(options));
  addRuleOptions(command.command('create'))
    .description('Keep a policy under a name, which sandboxes name with --net.')
    .argument('<name>', 'of lower-case letters, digits and hyphens')
    .argument('[policy]', 'none, all, another name, or a JSON file (default: none, or all with --deny alone)')
    .option('--json', 'print all about it as JSON')
    .addHelpText('after', '\nExample:\n  nova policy create web --allow preset:npm --allow api.example.com')
    .action((name: string, net: string | undefined, options: NamedOptions) => create(name, { ...options, net }));
  addRuleOptions(command.command('change'))
    .description('Replace a policy, at once for all sandboxes that name it; what it denies now ends.')
    .argument('<name>', 'its name or id')
    .argument('[policy]', 'none, all, another name, or a JSON file (default: none, or all with --deny alone)')
    .option('--json', 'print all about it as JSON')
    .addHelpText('after', '\nExample:\n  nova policy change web ./policy.json')
    .action((name: string, net: string | undefined, options: NamedOptions) => change(name, { ...options, net }));
  command
    .command('rm')
    .description('Remove policies that no sandbox names, stopped ones included.')
    .argument('<name...>', 'names or ids')
    .option('--json', 'print what was removed as JSON')
    .addHelpText('after', '\nExample:\n  nova policy rm web')
    .action((names: string[], { json = false }: { readonly json?: boolean }) => rm(names, json));
}

async function ls({
  quiet = false,
  json = false,
}: {
  readonly quiet?: boolean;
  readonly json?: boolean;
}): Promise<void> {
  await using engine = await openEngine();
  const policies = await engine.policies.list();
  if (json) return printJson(policies);
  if (quiet) {
    process.stdout.write(policies.map(({ name }) => `${printable(name)}\n`).join(''));
    return;
  }
  const rows = policies.map(({ name, policy, usedBy, changedAt }) => [
    name,
    String(policy.rules.length),
    policy.otherwise,
    String(usedBy.length),
    changedAt,
  ]);
  process.stdout.write(renderTable(['NAME', 'RULES', 'OTHERWISE', 'SANDBOXES', 'CHANGED'], rows));
}

async function create(name: string, { json = false, ...options }: NamedOptions): Promise<void> {
  await using engine = await openEngine();
  show(await engine.policies.create({ name, policy: await chosenPolicy(options, engine) }), json);
}

async function change(ref: string, { json = false, ...options }: NamedOptions): Promise<void> {
  await using engine = await openEngine();
  show(await engine.policies.change(ref, await chosenPolicy(options, engine)), json);
}

function show(info: PolicyInfo, json: boolean): void {
  if (json) printJson(info);
  else process.stdout.write(`${printable(info.name)}\n`);
}

async function rm(names: readonly string[], json: boolean): Promise<void> {
  await using engine = await openEngine();
  const removed: string[] = [];
  for (const name of new Set(names)) {
    try {
      await engine.policies.remove(name);
      removed.push(name);
      if (!json) process.stdout.write(`${printable(name)}\n`);
    } catch (error) {
      process.exitCode = await reportError(error, { json, exitCode: 1 });
    }
  }
  if (json) printJson(removed.map((ref) => ({ ref })));
}
