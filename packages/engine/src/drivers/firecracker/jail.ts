import { chmod, chown, link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { socketPath, vmmFolder } from '../../layout.ts';
import type { MachineSpec } from '../../ports/vmm-driver.ts';
import { allOf } from '../../vmm/all-of.ts';
import {
  confine,
  confinedTo,
  enclose,
  withCapabilities,
  type ConfinedScript,
  type Confiner,
  type VisibleFile,
} from '../../vmm/confine.ts';
import { makeLog, vmmLog } from '../../vmm/logs.ts';
import { giveFile, letThrough } from '../../vmm/ownership.ts';
import { makeFolderAnew } from '../../vmm/spawn.ts';
import { devices, kvmDevice, machineFiles, tunDevice } from '../../vmm/visible-files.ts';
import { apiSocket } from './api.ts';

/** A file of the host that Firecracker finds under `name`. */
export interface JailedFile {
  readonly name: string;
  readonly path: string;
  readonly readOnly: boolean;
}

export interface JailOptions {
  readonly spec: MachineSpec;
  /** Its real path: the jailer names folders and files by it. */
  readonly binary: string;
  /** Null: Firecracker runs without it, confined by our own means as far as this process is allowed to. */
  readonly jailer: string | null;
  readonly uid: number | null;
  /**
   * Groups that it keeps: those of /dev/kvm and of snapshots. A jailed Firecracker has its own /dev/kvm, and takes the
   * last group as its own.
   */
  readonly groups: readonly number[];
  readonly files: readonly JailedFile[];
  /** Largest file it may write, bytes. */
  readonly maxFileBytes: number;
  /** As in vmm/confine.ts; not used with the jailer. */
  readonly confiner: Confiner | null;
  readonly alsoVisible: readonly VisibleFile[];
}

export interface Jail {
  readonly confined: ConfinedScript;
  readonly cwd: string;
  /** File that holds the pid of the jailed Firecracker once the jailer has ended; null: it is the command itself. */
  readonly pidFile: string | null;
}

/** Folder in the machine's folder that holds its jail. */
export const jailFolder = 'jail';
/**
 * Folder in the machine's folder to which Firecracker writes snapshots. It has the same name in Firecracker's root or
 * working directory.
 */
export const outFolder = 'out';

/**
 * Makes the folder in which Firecracker finds its files under the same names wherever it runs: its root in the jailer's
 * chroot, or its working directory without a jailer. In the jail the files are mounted where only that process sees
 * them, so they need not be on one file system, and nothing stays mounted when it ends, however it ends. In a jail the
 * jailer makes Firecracker the owner of the root, so nothing of ours goes by a name in it once the guest runs.
 */
export async function makeJail(undo: AsyncDisposableStack, options: JailOptions): Promise<Jail> {
  const { spec, jailer } = options;
  const folder = join(spec.directory, jailFolder);
  const log = join(spec.directory, vmmLog);
  const out = join(spec.directory, outFolder);
  await allOf([makeFolderAnew(undo, folder, 0o711), makeFolderAnew(undo, out, 0o700), makeLog(log)]);
  const root = jailer === null ? folder : join(folder, basename(options.binary), spec.id, 'root');
  if (jailer !== null) await makeFolder(folder, root);
  const { uid } = options;
  if (uid !== null) {
    letThrough(folder, uid);
    await chown(out, uid, uid);
    giveFile(log, uid, uid);
  }
  const files = [...options.files, { name: outFolder, path: out }];
  await allOf([link(log, join(root, vmmLog)), ...(jailer === null ? files.map(linkTo(root)) : [])]);
  return jailer === null
    ? { confined: plainCommand(options, root), cwd: root, pidFile: null }
    : {
        confined: { script: await jailedCommand({ ...options, jailer }, folder, root), saysPid: false },
        cwd: spec.directory,
        pidFile: join(root, `${basename(options.binary)}.pid`),
      };
}

const linkTo =
  (folder: string) =>
  ({ name, path }: Pick<JailedFile, 'name' | 'path'>): Promise<void> =>
    symlink(resolve(path), join(folder, name));

function plainCommand(options: JailOptions, root: string): ConfinedScript {
  const { spec, binary, confiner, uid, groups, maxFileBytes } = options;
  return confine(
    {
      confiner,
      uid,
      groups,
      network: confinedTo(spec.network),
      maxFileBytes,
      folder: root,
      visible: [
        ...machineFiles(spec, options.files),
        ...devices(kvmDevice, ...(spec.network.mode === 'tap' ? [tunDevice] : [])),
        ...options.alsoVisible,
      ],
    },
    [binary, '--id', spec.id, ...ownArguments(spec)],
  );
}

/** The capabilities that the jailer needs. Firecracker itself has none of them in the end. */
const jailersCapabilities = [
  'chown',
  'dac_override',
  'fowner',
  'mknod',
  'setgid',
  'setuid',
  'sys_admin',
  'sys_chroot',
  'sys_resource',
];

/**
 * The jailer runs inside our own limits and mounts, which it passes on. It makes the devices and the process namespace,
 * and changes the user.
 */
async function jailedCommand(
  options: JailOptions & { readonly jailer: string },
  folder: string,
  root: string,
): Promise<string> {
  const { spec, uid, groups, maxFileBytes } = options;
  const folders = [
    { path: join(spec.directory, outFolder), at: join(root, outFolder) },
    { path: vmmFolder(spec.socketDirectory), at: join(root, resolve(vmmFolder(spec.socketDirectory))) },
  ];
  for (const { at } of folders) await makeFolder(root, at);
  for (const { name } of options.files) await writeFile(join(root, name), '', { mode: 0o600 });
  const mountTable = join(folder, 'fstab');
  const mounts = [
    ...options.files.map(({ name, path, readOnly }) => ({ path: resolve(path), at: join(root, name), readOnly })),
    ...folders.map(({ path, at }) => ({ path: resolve(path), at, readOnly: false })),
  ];
  await writeFile(
    mountTable,
    mounts
      .map(({ path, at, readOnly }) => `${field(path)} ${field(at)} none bind${readOnly ? ',ro' : ''} 0 0\n`)
      .join(''),
    { mode: 0o600 },
  );
  const { network } = spec;
  return enclose({ network: network.mode === 'tap' ? null : 'empty', mountTable, maxFileBytes }, [
    ...withCapabilities(jailersCapabilities),
    options.jailer,
    '--id',
    spec.id,
    '--exec-file',
    options.binary,
    '--uid',
    String(uid),
    '--gid',
    String(groups.at(-1) ?? uid),
    '--chroot-base-dir',
    folder,
    '--new-pid-ns',
    ...(network.mode === 'tap' ? ['--netns', `/run/netns/${network.namespace}`] : []),
    '--',
    ...ownArguments(spec),
  ]);
}

/**
 * The API's socket has the same path inside and outside: it also identifies the process as this machine's
 * (vmm/find-processes.ts).
 */
const ownArguments = (spec: MachineSpec): string[] => [
  '--api-sock',
  socketPath(spec.socketDirectory, apiSocket),
  '--log-path',
  vmmLog,
  '--level',
  'Warning',
];

/** Makes `path` below `base` so that the VMM's user can pass through it, whatever the umask. */
async function makeFolder(base: string, path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  for (let each = path; each.length > base.length; each = dirname(each)) await chmod(each, 0o711);
}

/** fstab(5): blanks and backslashes are written in octal. */
const field = (path: string): string =>
  path.replaceAll(/[\s\\]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
