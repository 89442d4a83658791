import { accessSync, constants, existsSync, lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { NetworkSpec } from '../ports/vmm-driver.ts';
import { imageGroup } from './image-group.ts';
import { quote, quoted } from './launcher.ts';
import { installation } from './visible-files.ts';

/** The limits that a process is put under while it is still privileged. */
export interface Enclosure {
  /**
   * An empty network namespace; the one with that name (ip-netns(8)), or, where we are not root, that of the process
   * `keeper` together with its user namespace; or (null) ours.
   */
  readonly network: 'empty' | { readonly namespace: string; readonly keeper?: number | undefined } | null;
  /** Mounts of its own mount namespace, which ends with it, in the format of fstab(5); null: it shares our mounts. */
  readonly mountTable: string | null;
  /** Size of the largest file that it may write, bytes. It limits its disk and its logs. */
  readonly maxFileBytes: number;
}

/** The program that confines VMMs (host/confine), and a library for QEMU before 8.2 (host/confine/src/guest_memory). */
export interface Confiner {
  readonly program: string;
  readonly guestMemory: string;
}

/** A file or folder of the host that a VMM sees at the same path. */
export interface VisibleFile {
  readonly path: string;
  /** `program`: the VMM may also run programs in it. */
  readonly how: 'program' | 'read' | 'write' | 'device';
}

/**
 * Returns the words that precede a command of root to limit it to these capabilities. Empty where there is no setpriv.
 */
export function withCapabilities(names: readonly string[]): string[] {
  const setpriv = rootsProgram('setpriv');
  if (setpriv === null) return [];
  const sets = ['-all', ...names.map((name) => `+${name}`)].join(',');
  return [setpriv, '--inh-caps=-all', `--bounding-set=${sets}`, '--'];
}

/** How a VMM process is confined before it becomes the VMM. */
export interface Confinement extends Omit<Enclosure, 'mountTable'> {
  /** Null where we are not root; restrictions that need it are left out. */
  readonly confiner: Confiner | null;
  /** Its own user and group; null: it stays the user that we are, without any privilege. */
  readonly uid: number | null;
  /** Supplementary groups that it keeps, such as that of /dev/kvm. */
  readonly groups: readonly number[];
  /** The files that it sees of the host, besides those that the system has installed. */
  readonly visible: readonly VisibleFile[];
  /** Its working directory, which it sees. */
  readonly folder: string;
  /** A library that is loaded into it, where there is a confiner, and variables that it reads. */
  readonly preload?: string | undefined;
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Files that are opened while it is still privileged; it gets them as descriptors 3, 4, ... */
  readonly descriptors?: readonly { readonly path: string; readonly readOnly: boolean }[];
}

/** Shell commands whose process becomes a program. */
export interface ConfinedScript {
  readonly script: string;
  /** Whether the program is a process other than the shell: its pid is then written to descriptor 9 (launcher.ts). */
  readonly saysPid: boolean;
}

/** The program that confines VMMs. Null where we are not root, which it needs. */
export async function confinerFor(
  { confiner }: { readonly confiner: (options: { readonly signal?: AbortSignal | undefined }) => Promise<Confiner> },
  signal: AbortSignal | undefined,
): Promise<Confiner | null> {
  return mayChangeUsers() ? confiner({ signal }) : null;
}

/** Whether a process has mounts of its own, and so sees only the files that it was given. */
export const seesItsFilesAlone = (pid: number): boolean =>
  process.platform === 'linux' && readlinkSync(`/proc/${pid}/ns/mnt`) !== readlinkSync('/proc/self/ns/mnt');

/** The network namespace in which the VMM of a machine with that network runs. */
export function confinedTo(network: NetworkSpec): Confinement['network'] {
  if (network.mode === 'tap') return { namespace: network.namespace, keeper: network.keeper };
  return network.mode === 'none' ? 'empty' : null;
}

/**
 * The shell commands that apply `enclosure` and then become `command` in the same process, so that its pid is the
 * shell's. SIGXFSZ is ignored, so that a full log makes a write fail and does not end the process.
 */
export function enclose(enclosure: Enclosure, command: readonly string[]): string {
  const { network, mountTable } = enclosure;
  const unshare = rootsProgram('unshare');
  const namespaces = [
    ...(network === 'empty' && unshare !== null ? ['--net'] : []),
    ...(mountTable === null ? [] : ['--mount', '--ipc', '--uts']),
  ];
  const chain: string[] = [];
  if (network !== null && network !== 'empty') chain.push(...entering(network));
  // Without unshare everybody would see the mounts, so the start fails.
  if (namespaces.length > 0) chain.push(unshare ?? 'unshare', ...namespaces, '--');
  if (mountTable !== null) chain.push('/bin/sh', '-c', 'mount -a -T "$0" && exec "$@"', mountTable);
  return [
    "trap '' XFSZ",
    'ulimit -c 0',
    // POSIX counts in units of 512 bytes.
    `ulimit -f ${Math.ceil(enclosure.maxFileBytes / 512)}`,
    `exec ${quoted([...chain, ...command])}`,
  ].join('\n');
}

/** The words that enter a network namespace before a command. */
function entering({
  namespace,
  keeper,
}: {
  readonly namespace: string;
  readonly keeper?: number | undefined;
}): string[] {
  if (keeper === undefined) return [rootsProgram('nsenter') ?? 'nsenter', `--net=/run/netns/${namespace}`, '--'];
  const ours = ['user', 'net'].map((kind) => `--${kind}=/proc/${keeper}/ns/${kind}`);
  // In the user namespace we are root, with all rights over its network, which the VMM does not get.
  const without = ['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--no-new-privs'];
  return ['nsenter', '--preserve-credentials', ...ours, '--', 'setpriv', ...without, '--'];
}

/** The shell commands that apply `confinement` and then become `command`. */
export function confine(confinement: Confinement, command: readonly string[]): ConfinedScript {
  const { confiner, network, uid, preload, descriptors = [] } = confinement;
  const groups = imageGroup === null ? confinement.groups : [...confinement.groups, imageGroup];
  const limits = { ...confinement, network: null, mountTable: null };
  if (confiner === null) {
    // Namespaces of ours can be joined without root; an empty one takes it.
    const joined = network !== null && network !== 'empty' && network.keeper !== undefined ? network : null;
    const opened = descriptors.map(
      ({ path, readOnly }, index) => `exec ${index + 3}${readOnly ? '<' : '<>'}${quote(path)}\n`,
    );
    return { script: `${opened.join('')}${enclose({ ...limits, network: joined }, command)}`, saysPid: false };
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
  const variables = Object.entries(confinement.environment ?? {}).map(
    ([name, value]) => `export ${name}=${quote(value)}\n`,
  );
  return { script: `${variables.join('')}${enclose(limits, shutIn)}`, saysPid: apart };
}

/** Where systems install programs, libraries and their data. They are readable by all, and of no use to an attacker. */
const systemFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/nix/store', '/gnu/store'];
/** The dynamic loaders' indexes of libraries. */
const libraryIndex = ['/etc/ld.so.cache', '/etc/ld-musl-x86_64.path', '/etc/ld-musl-aarch64.path'];

let knownSystemFiles: readonly string[] | undefined;

/** The folders and files that exist, as arguments. On most systems some folders are links to others. */
function systemFiles(): readonly string[] {
  knownSystemFiles ??= [...systemFolders, ...libraryIndex].flatMap((path) => {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) return [];
    return found.isSymbolicLink() ? ['--link', path, readlinkSync(path)] : ['--program', path];
  });
  return knownSystemFiles;
}

/** Each file once, with the widest of its rights, and without files in a folder that is visible anyway. */
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

/** The root of a container may lack the capability that this needs. */
function mayMakeNamespaces(): boolean {
  if (knownToMakeNamespaces !== undefined) return knownToMakeNamespaces;
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return (knownToMakeNamespaces = (BigInt(`0x${effective}`) & systemAdministration) !== 0n);
}

/**
 * Full path of a program that only root can use; null where we are not root, or the program is missing. It saves a
 * shell from searching PATH at each start.
 */
function rootsProgram(name: string): string | null {
  return mayChangeUsers() ? findProgram(name) : null;
}

/** Full path of a program in PATH, or in other folders, or null. */
export function findProgram(name: string, folders = process.env['PATH'] ?? ''): string | null {
  for (const directory of folders.split(delimiter)) {
    if (directory === '') continue;
    const path = join(directory, name);
    // Most folders do not contain it, and checking first is faster than making an error.
    if (!existsSync(path)) continue;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // This user may not run it, so the search goes on.
    }
  }
  return null;
}
