import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Command } from 'commander';
import { NovaError } from '@novasandbox/protocol';
import { addTo } from '../args/add-to.ts';
import { commandWords } from '../args/command-options.ts';
import { connectionEnvironment } from '../open-engine.ts';

interface Options {
  readonly user?: string;
  readonly tty?: boolean;
  readonly L?: readonly string[];
  readonly N?: boolean;
}

export function define(command: Command): void {
  command
    .description('Opens a shell in a sandbox, or runs a command there, with the SSH client of this machine.')
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .argument('[command...]', "command; as with ssh, its words are joined and read by the guest's shell")
    .option('-u, --user <user>', "user of the guest (default: the sandbox's)")
    .option('-t, --tty', 'give the command a terminal; a shell has one anyway')
    .option('-L <[address:]port:localhost:port>', 'forward a port of this machine to the guest, may be repeated', addTo)
    .option('-N', 'run nothing, forward ports alone')
    .passThroughOptions()
    .addHelpText(
      'after',
      `
Nothing listens in the guest or on this host: the client talks to a process that it starts itself. The exit code is the
command's, or 255 where the connection failed. "nova ssh-config" makes scp, sftp, rsync and editors work as well.

Examples:
  nova ssh box
  nova ssh box -- 'ls | wc -l'
  nova ssh -N -L 8080:localhost:3000 box`,
    )
    .action(ssh);
}

async function ssh(ref: string, words: string[], { user, tty, L: forwards = [], N: idle }: Options): Promise<void> {
  const { layoutAt } = await import('@novasandbox/engine/layout');
  const { clientOptions, hostOf } = await import('../ssh/client-options.ts');
  const { ensureSshFiles } = await import('../ssh/keys.ts');
  const { ownCommand } = await import('../own-command.ts');
  const options = clientOptions(await ensureSshFiles(layoutAt().ssh), [...ownCommand(), 'ssh-proxy']);
  const given = [
    ...(user === undefined ? [] : ['-l', user]),
    ...(tty === true ? ['-t'] : []),
    ...(idle === true ? ['-N'] : []),
    ...forwards.flatMap((forward) => ['-L', forward]),
  ];
  const set = options
    .filter(([name]) => name !== 'User' || user === undefined)
    .flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const client = spawn('ssh', [...given, ...set, '--', hostOf(ref), ...commandWords(words)], {
    stdio: 'inherit',
    env: connectionEnvironment(),
  });
  // The terminal sends Ctrl-C to ssh too, which decides; other requests to end are passed on.
  const ignore = (): void => undefined;
  const pass = (signal: NodeJS.Signals): void => void client.kill(signal);
  process.on('SIGINT', ignore).on('SIGTERM', pass).on('SIGHUP', pass);
  try {
    const [code, signal] = (await once(client, 'exit')) as [number | null, NodeJS.Signals | null];
    process.exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } catch (error) {
    throw new NovaError('feature_unsupported', 'The SSH client of this machine cannot be started.', {
      cause: error,
      hint: 'Install it (on Debian: apt install openssh-client), or use `nova shell` and `nova exec`, which need none.',
    });
  }
}
