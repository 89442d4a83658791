import { resolve } from 'node:path';
import type { Command } from 'commander';
import { NovaError } from '@novasandbox/protocol';
import { canAsk, isAgreed } from '../agree.ts';
import { connectionEnvironment, openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { UsageError } from '../usage-error.ts';
import { version } from '../version.ts';

interface InstallOptions {
  readonly global?: boolean;
  readonly yes?: boolean;
}

export function define(command: Command): void {
  command
    .description(
      'Serves the Model Context Protocol on stdin and stdout: an AI agent makes sandboxes, runs commands in them and moves files. Its host starts this command.',
    )
    .option('--toolsets <names>', 'only these tools, separated by commas: sandboxes, commands, files, state, network')
    .addHelpText(
      'after',
      `
Sandboxes that the agent makes are removed when its host ends, and at the end of their lifetime.

Examples:
  nova mcp install claude-code
  nova mcp install codex
  nova mcp --toolsets sandboxes,commands,files`,
    )
    .action(serve);
  const hosts = 'claude-code, codex, cursor, opencode or vscode';
  command
    .command('install')
    .description('Adds the server to the configuration of a host, which is shown first.')
    .argument('<host>', hosts)
    .option('-g, --global', 'for all projects of the user (default: for the current folder, where the host has that)')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', '\nExamples:\n  nova mcp install claude-code\n  nova mcp install --global cursor')
    .action((host: string, options: InstallOptions) => install(host, options));
  command
    .command('uninstall')
    .description('Takes the server out of the configuration of a host again.')
    .argument('<host>', hosts)
    .option('-g, --global', 'for all projects of the user')
    .addHelpText('after', '\nExample:\n  nova mcp uninstall claude-code')
    .action((host: string, options: InstallOptions) => uninstall(host, options));
}

async function serve({ toolsets: names }: { readonly toolsets?: string }): Promise<void> {
  const { isToolset, toolsets } = await import('@novasandbox/mcp');
  const { serveOnStdio } = await import('@novasandbox/mcp/stdio');
  const chosen = names?.split(',').map((name) => name.trim());
  const unknown = chosen?.find((name) => !isToolset(name));
  if (unknown !== undefined)
    throw new UsageError(`--toolsets: there is no ${unknown}; there are ${toolsets.join(', ')}.`);
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  const openPort = 'ports' in engine ? portsOf(engine.ports as PortService) : null;
  await serveOnStdio({ engine, openPort }, { version, chosen: chosen?.filter(isToolset), signal: interrupts.signal });
}

interface PortService {
  createUrl(id: string, url: { readonly port: number }): Promise<{ readonly url: string; readonly expiresAt: string }>;
}

const portsOf = (service: PortService) => (id: string, port: number) => service.createUrl(id, { port });

async function install(name: string, { global = false, yes = false }: InstallOptions): Promise<void> {
  const { host, file } = await hostAndFile(name, global);
  const { readConfig, writeConfig } = await import('../config-file.ts');
  const { ownCommand } = await import('../own-command.ts');
  const [program = '', ...args] = ownCommand();
  const server = { command: program, args: [...args, 'mcp'], env: settings() };
  const after = host.with(await readConfig(file), server);
  process.stderr.write(`${file} for ${host.title}:\n`);
  process.stdout.write(host.with('', server));
  if (!yes && !canAsk()) throw new UsageError('There is no terminal to ask at: --yes writes the file without asking.');
  if (!yes && !(await isAgreed([], `Add this to ${file}?`))) return;
  await writeConfig(file, after);
  process.stderr.write(`nova: ${file} has it; "nova mcp uninstall ${name}" takes it out again\n`);
}

async function uninstall(name: string, { global = false }: InstallOptions): Promise<void> {
  const { host, file } = await hostAndFile(name, global);
  const { readConfig, writeConfig } = await import('../config-file.ts');
  const before = await readConfig(file);
  const after = host.without(before);
  if (after === before) throw new NovaError('not_found', `${file} has no server of "nova mcp install ${name}".`);
  await writeConfig(file, after);
}

/** The settings with which the server finds the same engine; keys are none of them, because the file is readable. */
function settings(): Readonly<Record<string, string>> {
  const env = connectionEnvironment();
  const names = ['NOVA_HOME', 'NOVA_RUN', 'NOVA_API_URL', 'NOVA_EMBEDDED'];
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

async function hostAndFile(name: string, global: boolean) {
  const { mcpHosts } = await import('../mcp/hosts.ts');
  const host = mcpHosts[name];
  if (host === undefined)
    throw new UsageError(`There is no host ${name}; there are ${Object.keys(mcpHosts).join(', ')}.`);
  const file = global || host.projectFile === null ? host.userFile : resolve(host.projectFile);
  if (file === null)
    throw new NovaError(
      'feature_unsupported',
      `${host.title} has no file for all projects that could be written here.`,
      {
        hint: 'Leave --global out, in the folder of the project.',
      },
    );
  return { host, file };
}
