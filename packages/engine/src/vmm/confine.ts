import { accessSync, constants, existsSync, lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { NetworkSpec } from '../ports/vmm-driver.ts';
import { imageGroup } from './image-group.ts';
import { quote, quoted } from './launcher.ts';
import { installation } from './visible-files.ts';

/** What a process is shut in by while it is still privileged. */
export interface Enclosure {
  /** In a network namespace with nothing in it, in the one with that name (ip-netns(8)), or in ours. */
  readonly network: 'empty' | { readonly namespace: string } | null;
  /** fstab(5) of what is mounted in a mount namespace of its own, which ends with it; null: it sees what we see. */
  readonly mountTable: string | null;
  /** Largest file it may write, bytes: bounds its disk and its logs. */
  readonly maxFileBytes: number;
}

/** The program that shuts VMMs in (host/confine), and a library for QEMU before 8.2 (host/confine/src/read_only_memory.rs). */
export interface Confiner {
  readonly program: string;
  readonly readOnlyMemory: string;
}

/** A file or folder of the host that a VMM sees, under its own path. */
export interface VisibleFile {
  readonly path: string;
  /** `program`: it may also run what is in it. */
  readonly how: 'program' | 'read' | 'write' | 'device';
}

/** Words before a command of root's that leave it these capabilities at most. None where there is no setpriv. */
export function withCapabilities(names: readonly string[]): string[] {
  const setpriv = rootsProgram('setpriv');
  if (setpriv === null) return [];
  const sets = ['-all', ...names.map((name) => `+${name}`)].join(',');
  return [setpriv, '--inh-caps=-all', `--bounding-set=${sets}`, '--'];
}

/** How a VMM process is shut in before it becomes the VMM. */
export interface Confinement extends Omit<Enclosure, 'mountTable'> {
  /** Null where we are not root: what takes that is left out. */
  readonly confiner: Confiner | null;
  /** User and group of its own; null: stays who we are, though without any privilege. */
  readonly uid: number | null;
  /** Groups it keeps besides, such as that of /dev/kvm. */
  readonly groups: readonly number[];
  /** All that it sees of the host besides what the system has installed. */
  readonly visible: readonly VisibleFile[];
  /** Where it runs; it sees it. */
  readonly folder: string;
  /** A library that is loaded into it, where there is a confiner. */
  readonly preload?: string | undefined;
  /** Files that are opened while it is still privileged; it gets them as descriptors 3, 4, ... */
  readonly descriptors?: readonly { readonly path: string; readonly readOnly: boolean }[];
}

/** Shell commands that become a program. */
export interface ConfinedScript {
  readonly script: string;
  /** The program is another process than the shell: its pid is written to descriptor 9 (launcher.ts). */
  readonly saysPid: boolean;
}

/** The program that shuts VMMs in; null where we are not root, which it takes. */
export async function confinerFor(
  { confiner }: { readonly confiner: (options: { readonly signal?: AbortSignal | undefined }) => Promise<Confiner> },
  signal: AbortSignal | undefined,
): Promise<Confiner | null> {
  return mayChangeUsers() ? confiner({ signal }) : null;
}

/** Whether a process has mounts of its own, and sees no other file than those it was given. */
export const seesItsFilesAlone = (pid: number): boolean =>
  process.platform === 'linux' && readlinkSync(`/proc/${pid}/ns/mnt`) !== readlinkSync('/proc/self/ns/mnt');

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
    ...(mountTable === null ? [] : ['--mount', '--ipc', '--uts']),
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

/** The shell commands that apply `confinement` and then become `command`. */
export function confine(confinement: Confinement, command: readonly string[]): ConfinedScript {
  const { confiner, network, uid, preload, descriptors = [] } = confinement;
  const groups = imageGroup === null ? confinement.groups : [...confinement.groups, imageGroup];
  const limits = { ...confinement, network: null, mountTable: null };
  if (confiner === null) {
    const opened = descriptors.map(
      ({ path, readOnly }, index) => `exec ${index + 3}${readOnly ? '<' : '<>'}${quote(path)}\n`,
    );
    return { script: `${opened.join('')}${enclose(limits, command)}`, saysPid: false };
  }
  const [program = '', ...rest] = command;
  const words = [
    ...(network === null ? [] : ['--network', network === 'empty' ? network : `/run/netns/${network.namespace}`]),
    ...descriptors.flatMap(({ path, readOnly }) => [readOnly ? '--open-read' : '--open-write', path]),
    ...(uid === null ? [] : ['--user', String(uid)]),
    ...groups.flatMap((group) => ['--group', String(group)]),
    ...(preload === undefined ? [] : ['--preload', preload]),
    ...systemFiles(),
    ...outermost([...confinement.visible, ...installation(program)]).flatMap(({ path, how }) => [`--${how}`, path]),
  ];
  const apart = mayMakeNamespaces();
  const namespaces = apart ? ['--pid-to', '9'] : ['--shared'];
  const shutIn = [confiner.program, ...namespaces, ...words, '--folder', confinement.folder, '--', program, ...rest];
  return { script: enclose(limits, shutIn), saysPid: apart };
}

/** Where systems install programs, libraries and their data: readable to all, and of no use to an attacker. */
const systemFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/nix/store', '/gnu/store'];
/** Which libraries there are. */
const libraryIndex = ['/etc/ld.so.cache', '/etc/ld-musl-x86_64.path', '/etc/ld-musl-aarch64.path'];

let knownSystemFiles: readonly string[] | undefined;

/** On most systems some of the folders are links to others. */
function systemFiles(): readonly string[] {
  knownSystemFiles ??= [...systemFolders, ...libraryIndex].flatMap((path) => {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) return [];
    return found.isSymbolicLink() ? ['--link', path, readlinkSync(path)] : ['--program', path];
  });
  return knownSystemFiles;
}

/** Each file once, with the most rights it was given, and without those that lie in a folder that is visible anyway. */
function outermost(files: readonly VisibleFile[]): VisibleFile[] {
  const covers = (folder: VisibleFile, { path, how }: VisibleFile): boolean =>
    (folder.how === 'write' || folder.how === how) && path.startsWith(`${folder.path}/`);
  const isInstalled = ({ path, how }: VisibleFile): boolean =>
    how === 'program' && systemFolders.some((folder) => `${path}/`.startsWith(`${folder}/`));
  const known = new Map(files.toSorted(byRights).map((file) => [file.path, file]));
  return [...known.values()].filter((file) => !isInstalled(file) && !files.some((each) => covers(each, file)));
}

const byRights = (one: VisibleFile, other: VisibleFile): number =>
  Number(one.how === 'write') - Number(other.how === 'write');

/** Whether VMMs run as users of their own here. */
export const mayChangeUsers = (): boolean => process.platform === 'linux' && process.getuid?.() === 0;

const systemAdministration = 1n << 21n;

let knownToMakeNamespaces: boolean | undefined;

/** Containers have roots without the capability that it takes. */
function mayMakeNamespaces(): boolean {
  if (knownToMakeNamespaces !== undefined) return knownToMakeNamespaces;
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return (knownToMakeNamespaces = (BigInt(`0x${effective}`) & systemAdministration) !== 0n);
}

/** Full path of a program that is of use to root alone: null where we are not root, or there is none. A shell would look for it in all of PATH at each start. */
function rootsProgram(name: string): string | null {
  return mayChangeUsers() ? findProgram(name) : null;
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
