import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { NovaError } from '@novasandbox/protocol';
import { canAsk, isAgreed } from '../agree.ts';
import { connectionEnvironment, openEngine } from '../open-engine.ts';
import { UsageError } from '../usage-error.ts';

interface Options {
  readonly write?: string | true;
  readonly remove?: string | true;
  readonly yes?: boolean;
}

export function define(command: Command): void {
  command
    .description('Shows the lines with which ssh, scp, sftp, rsync and editors reach sandboxes as <sandbox>.nova.')
    .argument('[sandbox]', 'the sandbox that the lines are for (default: all of them)')
    .option('--write [file]', 'show the lines, ask, and write them to a file (default: ~/.ssh/config)')
    .option('--remove [file]', 'take the lines out of the file again')
    .option('-y, --yes', 'with --write: do not ask')
    .addHelpText(
      'after',
      `
Editors list the hosts of the file, so write the lines of one sandbox for them. The lines hold no secrets. Over a daemon
that needs a key, NOVA_API_KEY has to be in the environment of ssh.

Examples:
  nova ssh-config >> ~/.ssh/config
  nova ssh-config --write box
  nova ssh-config --remove ~/.ssh/config box`,
    )
    .action(show);
}

async function show(ref: string | undefined, { write, remove, yes = false }: Options): Promise<void> {
  if (write !== undefined && remove !== undefined) throw new UsageError('--write does not go with --remove.');
  const { hostOf } = await import('../ssh/client-options.ts');
  const { blockOf, withBlock, withoutBlock } = await import('../ssh/config-block.ts');
  const { readConfig, writeConfig } = await import('../config-file.ts');
  const host = hostOf(ref ?? '*');
  if (remove !== undefined) {
    const file = fileOf(remove);
    const before = await readConfig(file);
    const after = withoutBlock(before, host);
    if (after === before) throw new NovaError('not_found', `${file} has no lines of "nova ssh-config" for ${host}.`);
    await writeConfig(file, after);
    return;
  }
  if (ref !== undefined) await requireSandbox(ref);
  const block = blockOf(host, await lines());
  process.stdout.write(block);
  if (write === undefined) return;
  const file = fileOf(write);
  if (!yes && !canAsk()) throw new UsageError('There is no terminal to ask at: --yes writes the file without asking.');
  if (!yes && !(await isAgreed([], `Write these lines to ${file}?`))) return;
  await writeConfig(file, withBlock(await readConfig(file), host, block));
  process.stderr.write(`nova: ${file} has them; "nova ssh-config --remove" takes them out again\n`);
}

async function requireSandbox(ref: string): Promise<void> {
  await using engine = await openEngine();
  await engine.sandboxes.get(ref);
}

/** The lines lead to the same engine, and the same state folder, as this command line. */
async function lines(): Promise<readonly (readonly [name: string, value: string])[]> {
  const { layoutAt } = await import('@novasandbox/engine/layout');
  const { clientOptions } = await import('../ssh/client-options.ts');
  const { ensureSshFiles } = await import('../ssh/keys.ts');
  const { ownCommand } = await import('../own-command.ts');
  const env = connectionEnvironment();
  const settings = ['NOVA_HOME', 'NOVA_RUN', 'NOVA_API_URL', 'NOVA_EMBEDDED'].flatMap((name) => {
    const value = env[name];
    return value === undefined || value === '' ? [] : [`${name}=${value}`];
  });
  const prefix = settings.length === 0 ? [] : ['env', ...settings];
  return clientOptions(await ensureSshFiles(layoutAt().ssh), [...prefix, ...ownCommand(), 'ssh-proxy']);
}

const fileOf = (given: string | true): string => (given === true ? join(homedir(), '.ssh', 'config') : resolve(given));
