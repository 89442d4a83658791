import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { NetworkSpec } from '../ports/vmm-driver.ts';
import { quoted } from './launcher.ts';

/** What a process is shut in by while it is still privileged. */
export interface Enclosure {
  /** In a network namespace with nothing in it, in the one with that name (ip-netns(8)), or in ours. */
  readonly network: 'empty' | { readonly namespace: string } | null;
  /** fstab(5) of what is mounted in a mount namespace of its own, which ends with it; null: it sees what we see. */
  readonly mountTable: string | null;
  /** Largest file it may write, bytes: bounds its disk and its logs. */
  readonly maxFileBytes: number;
}

/** How a VMM process is shut in before it becomes the VMM. */
export interface Confinement extends Omit<Enclosure, 'mountTable'> {
  /** User and group of its own; null: stays who we are, though without any privilege. */
  readonly uid: number | null;
  /** Groups it keeps besides, such as that of /dev/kvm. */
  readonly groups: readonly number[];
}

/** Where the VMM of a machine with that network runs. */
export function confinedTo(network: NetworkSpec): Confinement['network'] {
  if (network.mode === 'tap') return { namespace: network.namespace };
  return network.mode === 'none' ? 'empty' : null;
}

/**
 * The shell commands that apply `enclosure` and then become `command`, as the same process: its pid is the shell's. SIGXFSZ is ignored so that a full
 * log is a failed write, not an end.
 */
export function enclose(enclosure: Enclosure, command: readonly string[]): string {
  const { network, mountTable } = enclosure;
  const unshare = rootsProgram('unshare');
  const namespaces = [
    ...(network === 'empty' && unshare !== null ? ['--net'] : []),
    ...(mountTable === null ? [] : ['--mount']),
  ];
  const chain: string[] = [];
  if (network !== null && network !== 'empty')
    chain.push(rootsProgram('nsenter') ?? 'nsenter', `--net=/run/netns/${network.namespace}`, '--');
  // What is mounted without it would be mounted for everybody: then there is no start.
  if (namespaces.length > 0) chain.push(unshare ?? 'unshare', ...namespaces, '--');
  if (mountTable !== null) chain.push('/bin/sh', '-c', 'mount -a -T "$0" && exec "$@"', mountTable);
  return [
    "trap '' XFSZ",
    'ulimit -c 0',
    // In units of 512 bytes, as POSIX has it.
    `ulimit -f ${Math.ceil(enclosure.maxFileBytes / 512)}`,
    `exec ${quoted([...chain, ...command])}`,
  ].join('\n');
}

/** The shell commands that apply `confinement` and then become `command`: limits come first, privileges go last. */
export function confine(confinement: Confinement, command: readonly string[]): string {
  const { uid, groups } = confinement;
  const unprivileged: string[] = [];
  const setpriv = rootsProgram('setpriv');
  if (setpriv !== null) {
    unprivileged.push(setpriv, '--no-new-privs', '--inh-caps=-all', '--bounding-set=-all');
    if (uid !== null) unprivileged.push(`--reuid=${uid}`, `--regid=${uid}`);
    unprivileged.push(groups.length > 0 ? `--groups=${groups.join(',')}` : '--clear-groups', '--');
  }
  return enclose({ ...confinement, mountTable: null }, [...unprivileged, ...command]);
}

/** Whether VMMs run as users of their own here. */
export const mayChangeUsers = (): boolean => rootsProgram('setpriv') !== null;

/** Full path of a program that is of use to root alone: null where we are not root, or there is none. A shell would look for it in all of PATH at each start. */
function rootsProgram(name: string): string | null {
  return process.platform === 'linux' && process.getuid?.() === 0 ? findProgram(name) : null;
}

/** Full path of a program in PATH, or null. */
export function findProgram(name: string): string | null {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    if (directory === '') continue;
    const path = join(directory, name);
    // Where it is not, which is most places: an error takes longer to make than to find.
    if (!existsSync(path)) continue;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not ours to run: look on.
    }
  }
  return null;
}
