import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createImageSource, layoutAt, processesNaming } from '@novasandbox/engine';
import { eventually } from './eventually.ts';
import type { UserAnswer, UserOrder } from './user-program.ts';

/** A user who owns nothing else on this host, and has no rights beyond. */
const user = '777002';
const program = join(import.meta.dirname, 'user-program.ts');
/** Parts that are made once, because making them again would take long. */
const parts = ['agent', 'kernels', 'initramfs', 'rootfs', 'listen'];

/** A user with a state folder, in which an engine of theirs runs. */
export interface UnprivilegedUser extends AsyncDisposable {
  readonly home: string;
  readonly run: string;
  ask<T = unknown>(order: UserOrder): Promise<T>;
  /** Kills the program that embeds the engine, and starts it anew. */
  killAndRestart(): Promise<void>;
}

const as = (words: readonly string[]): string[] => [
  ...['--reuid', user, '--regid', user, '--clear-groups', '--bounding-set=-all', '--inh-caps=-all', '--'],
  ...words,
];

/** Why there can be no such user here, as `skip` of a test; false where there can. */
export function whyNoUser(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root can become another user';
  const { status } = spawnSync('setpriv', as(['test', '-r', program]));
  return status === 0 ? false : 'other users cannot read this checkout';
}

/** Whether such a user may make namespaces here. */
export const mayMakeNamespaces = (): boolean =>
  spawnSync('setpriv', as(['unshare', '--user', '--map-root-user', '--net', 'true'])).status === 0;

/**
 * Words that run a command in a user namespace with the same users, in which no further one can be made. It waits for a
 * line, because somebody else has to say which users there are.
 */
const withoutNamespaces = (words: readonly string[]): string[] => [
  // The second shell has the rights of the namespace's root, who exists once the line has come.
  ...['--user', '--', '/bin/sh', '-ec', 'read -r mapped; exec /bin/sh -ec "$0" sh "$@"'],
  ...['echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', ...words],
];
const sameIds = '0 0 4294967295\n';

/** @param how `namespaces: false`: the host forbids this user to make namespaces */
export async function becomeUser({ namespaces = true } = {}): Promise<UnprivilegedUser> {
  await using undo = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'nova-user-'));
  undo.defer(() => rm(directory, { recursive: true, force: true }));
  await chmod(directory, 0o755);
  const [home, run] = [join(directory, 'home'), join(directory, 'run')];
  await mkdir(home);
  const machine = layoutAt();
  await createImageSource(machine).listener({});
  const sources = parts.map((part) => join(machine.home, part));
  const script = 'cp -a --sparse=always --reflink=auto "$@" && chown -R "$0" "${@: -1}/.."';
  const { status, stderr } = spawnSync('bash', ['-c', script, `${user}:${user}`, ...sources, home], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the user's state folder could not be made: ${stderr}`);

  let child: ChildProcess;
  let last = 0;
  const start = async (): Promise<void> => {
    const words = ['setpriv', ...as([process.execPath, '--disable-warning=ExperimentalWarning', program])];
    const [command = '', ...rest] = namespaces ? words : ['unshare', ...withoutNamespaces(words)];
    child = spawn(command, rest, {
      stdio: ['pipe', 'inherit', 'inherit', 'ipc'],
      cwd: '/',
      env: {
        PATH: process.env['PATH'],
        ...{ HOME: directory, XDG_RUNTIME_DIR: run, NOVA_HOME: home, NOVA_RUN: join(run, 'nova') },
      },
    });
    if (!namespaces) {
      const own = readlinkSync('/proc/self/ns/user');
      await eventually('it is in a user namespace', () => readlinkSync(`/proc/${child.pid}/ns/user`) !== own);
      for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${child.pid}/${map}`, sameIds);
      child.stdin?.write('mapped\n');
    }
    const [said] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
    if (said !== 'ready') throw new Error('the program of the user has not started');
  };
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  await mkdir(run, { mode: 0o700 });
  spawnSync('chown', [`${user}:${user}`, run]);
  // VMMs and the egress process outlive the program.
  undo.defer(() => processesNaming(directory).forEach(({ pid }) => process.kill(pid, 'SIGKILL')));
  undo.defer(end);
  await start();
  const held = undo.move();
  return {
    home,
    run,
    async ask<T>(order: UserOrder): Promise<T> {
      const id = ++last;
      const { promise, resolve, reject } = Promise.withResolvers<UserAnswer>();
      const hear = (message: UserAnswer & { readonly id: number }): void => {
        if (message.id === id) resolve(message);
      };
      const lost = (): void => reject(new Error('the program has ended'));
      child.on('message', hear).once('exit', lost);
      try {
        child.send({ id, order });
        const answer = await promise;
        if ('error' in answer) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
        return answer.value as T;
      } finally {
        child.off('message', hear).off('exit', lost);
      }
    },
    async killAndRestart() {
      await end();
      await start();
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
