import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../../abort.ts';
import { interceptionScript } from '../interception.ts';
import { slotLinks } from '../links.ts';
import { slotRules } from '../rules.ts';

/**
 * A process that keeps the namespaces of a slot until the VMM has joined them. It ends with this process, whatever
 * happens to it, and the namespaces with the last process in them, so nothing has to be taken down.
 */
export interface Keeper {
  readonly pid: number;
  end(): Promise<void>;
}

/** Programs that make slots without root, and the packages that contain them. */
export const programs = {
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  ip: 'iproute2',
  nft: 'nftables',
} as const;

/** The folders of these programs, which are in no PATH of a user on some systems. */
export const searchPath = (): string => `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/** The line that says that the slot is there. */
const ready = 'ready';
/** The programs take some 15 ms on an idle machine. */
const readyWithinMs = 30_000;

/** It runs as root of a new user namespace, who may do this in a new network namespace, and nothing on the host. */
const script = [
  'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 2>/dev/null || :',
  // What leads nowhere is refused at once, and not dropped.
  'echo 1 > /proc/sys/net/ipv4/ip_forward',
  `ip -batch - <<'links'`,
  `${slotLinks(null)}route add prohibit default\nlinks`,
  `nft -f - <<'rules'`,
  `${slotRules(null)}rules`,
  interceptionScript(null, 'all'),
  `echo ${ready}`,
  // Its input ends when this process does.
  'exec cat >/dev/null',
].join('\n');

/**
 * Makes a slot in new namespaces.
 * @throws NovaError `network_failed` also where this host forbids user namespaces; `cancelled`
 */
export async function startKeeper(signal: AbortSignal | undefined): Promise<Keeper> {
  throwIfAborted(signal, 'before its network was made');
  const child = spawn('unshare', ['--user', '--map-root-user', '--net', '--', '/bin/sh', '-ec', script], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: searchPath(), LC_ALL: 'C' },
    cwd: '/',
    // An interrupt at the terminal does not reach it.
    detached: true,
  });
  const ended = Promise.withResolvers<void>();
  child.once('exit', () => ended.resolve()).once('error', () => ended.resolve());
  child.stdin.on('error', () => undefined);
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended.promise;
  };
  const timer = setTimeout(() => child.kill('SIGKILL'), readyWithinMs);
  const onAbort = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const said = text(child.stderr);
    said.catch(() => undefined);
    const isReady = await hears(child, ended.promise);
    throwIfAborted(signal, 'while its network was made');
    if (!isReady || child.pid === undefined) throw failed((await said).trim());
    // Neither keeps this process running.
    child.unref();
    for (const pipe of [child.stdin, child.stdout, child.stderr]) (pipe as { unref?(): void }).unref?.();
    return { pid: child.pid, end };
  } catch (error) {
    await end();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Whether the child says that it is ready, before it ends. */
async function hears(
  { stdout }: ChildProcessByStdio<Writable, Readable, Readable>,
  ended: Promise<void>,
): Promise<boolean> {
  const line = once(stdout, 'data').then(([chunk]: Buffer[]) => String(chunk).includes(ready));
  line.catch(() => undefined);
  return Promise.race([line, ended.then(() => false)]);
}

const failed = (why: string): NovaError =>
  new NovaError(
    'network_failed',
    `A network slot could not be made without root: ${why === '' ? 'no reason was given' : why}`,
    {
      hint: 'Allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), or run as root.',
    },
  );
