import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { NovaError } from '@novasandbox/protocol';

/**
 * Every path NovaSandbox has on disk, in one place. Ids and digests are checked here before they become part of a path: nothing a
 * caller or a guest names reaches the file system otherwise.
 *
 *     <home>/                   NOVA_HOME; /var/lib/novasandbox for root, ~/.novasandbox for others
 *       store.sqlite            sandboxes, leases
 *       server.sqlite           the daemon's keys, users, answers
 *       server.sqlite.lock      held by the running daemon
 *       *.sqlite.layout-<n>     what an upgrade found, before it brought the file to a later layout (store/migrate.ts)
 *       nova.sock nova.pid      the running daemon: its owner's way in, its process
 *       reserve                 space that is given back when the disk is full (store/reserve.ts)
 *       admin.key server.secret config.yaml
 *       agent/<digest>/         the guest agent's binary
 *       confine/<digest>/       the program that shuts VMMs in
 *       kernels/<digest>/       vmlinux, modules
 *       initramfs/<digest>/     initramfs.cpio
 *       rootfs/<digest>/        rootfs.ext4, manifest.json, build.log
 *       lab/<digest>/           disk.ext4: disks of the KVM lab
 *       snapshots/<digest>/     ram, state, disk.raw, snapshot.json
 *       sandboxes/<id>/         disk.raw, console.log, vmm.log (both begin with a hole), jail/ and out/ of a running Firecracker
 *       making/<id>.json        who makes which machine for a snapshot or an image
 *       replaced-<time>/        what lay where `nova restore` has put a backup
 *       quarantine/<id>/        what lay in sandboxes/<id>/ and no store knew
 *       cache/ setup/ node/     compiled code, what ./nova found out and installed
 *       probes/                 what a probe boot found, by host boot and VMM
 *       vmm/<name>/<version>/   VMMs that `nova setup` installed; vmm/<name>/current leads to the one in use
 *       work/                   half-made things; emptied by whoever made them
 *     <run>/<id>/vmm/           Unix sockets of one sandbox (short paths); this folder is its VMM's, all others are ours
 *     /run/novasandbox/slots.sqlite   network slots of the host
 *     /run/novasandbox/uids.sqlite    user ids of the host's VMMs
 */
export interface Layout {
  readonly home: string;
  readonly run: string;
  readonly templateDirectories: readonly string[];
  readonly storeFile: string;
  readonly reserveFile: string;
  /** What the daemon has. */
  readonly daemon: {
    readonly database: string;
    readonly socket: string;
    readonly pidFile: string;
    readonly keyFile: string;
    readonly secretFile: string;
    readonly configFile: string;
  };
  /** What is remembered of this host's network slots: one file a host, whatever the state folder, gone after a reboot as the slots are. */
  readonly slotRegistryFile: string;
  /** The registry of the users of this host's VMMs, likewise. */
  readonly uidRegistryFile: string;
  readonly probeDirectory: string;
  readonly vmmDirectory: string;
  readonly workDirectory: string;
  /** Notes of who makes which machine that no store knows (vmm/unfinished.ts). */
  readonly making: string;
  agent(digest: string): string;
  confiner(digest: string): string;
  kernel(digest: string): string;
  initramfs(digest: string): string;
  rootfs(digest: string): string;
  lab(digest: string): string;
  snapshot(digest: string): string;
  readonly snapshots: string;
  readonly sandboxes: string;
  /** Folders of sandboxes that the store does not know. */
  readonly quarantine: string;
  /** Folders of what VMMs open by name, and no other user may: the machine's templates lie in them. */
  readonly imageFolders: readonly string[];
  /** Folders that nobody but their owner enters. */
  readonly ownFolders: readonly string[];
  sandbox(id: string): string;
  sockets(id: string): string;
}

/** Of root's processes. */
const hostRun = '/run/novasandbox';

/** Longest path of a Unix socket that works everywhere (macOS: 104 with the final NUL). */
export const maxSocketPath = 103;

/** Neither is there in a CommonJS bundle. */
const { dirname: here, filename }: { readonly dirname?: string; readonly filename?: string } = import.meta;

/**
 * The checkout this file belongs to, or the package it was installed with, whose compiled modules lie one folder less deep: templates and the
 * sources of the agent lie there.
 */
export const repositoryRoot =
  here === undefined ? resolve('.') : resolve(here, filename?.endsWith('.ts') === true ? '../../..' : '../..');

/**
 * The path of a file or folder that NovaSandbox brings along itself, refused by name where it is missing.
 * @param what for the message: a plural, such as "The templates"
 * @throws NovaError `set_up_failed`
 */
export function broughtAlong(what: string, path: string): string {
  if (existsSync(path)) return path;
  throw new NovaError('set_up_failed', `${what} are missing: there is no ${path}.`, {
    hint: 'Install NovaSandbox anew, or clone it whole. A bundler has to leave the package novasandbox out (external).',
  });
}

const safe = (part: string): string => {
  if (!/^[a-z0-9]{1,64}$/.test(part)) throw new NovaError('internal', `"${part}" cannot be part of a path.`);
  return part;
};

/** The layout below `home` (default: NOVA_HOME, else the user's own). */
export function layoutAt(home: string = defaultHome()): Layout {
  const root = resolve(home);
  const run =
    process.env['NOVA_RUN'] ?? join(runtimeBase(), createHash('sha256').update(root).digest('hex').slice(0, 8));
  const below = (folder: string) => (digest: string) => join(root, folder, safe(digest));
  return {
    home: root,
    run,
    templateDirectories: [
      ...(process.env['NOVA_TEMPLATES'] ?? '').split(':').filter((path) => path !== ''),
      join(root, 'templates'),
      join(repositoryRoot, 'templates'),
    ],
    storeFile: join(root, 'store.sqlite'),
    reserveFile: join(root, 'reserve'),
    daemon: {
      database: join(root, 'server.sqlite'),
      // Beside the others where the system can bind it there.
      socket:
        Buffer.byteLength(join(root, 'nova.sock')) > maxSocketPath ? join(run, 'nova.sock') : join(root, 'nova.sock'),
      pidFile: join(root, 'nova.pid'),
      keyFile: join(root, 'admin.key'),
      secretFile: join(root, 'server.secret'),
      configFile: join(root, 'config.yaml'),
    },
    slotRegistryFile: join(hostRun, 'slots.sqlite'),
    uidRegistryFile: join(hostRun, 'uids.sqlite'),
    probeDirectory: join(root, 'probes'),
    vmmDirectory: join(root, 'vmm'),
    workDirectory: join(root, 'work'),
    making: join(root, 'making'),
    agent: below('agent'),
    confiner: below('confine'),
    kernel: below('kernels'),
    initramfs: below('initramfs'),
    rootfs: below('rootfs'),
    lab: below('lab'),
    snapshot: below('snapshots'),
    snapshots: join(root, 'snapshots'),
    sandboxes: join(root, 'sandboxes'),
    quarantine: join(root, 'quarantine'),
    imageFolders: ['confine', 'kernels', 'initramfs', 'rootfs', 'snapshots', 'probes'].map((name) => join(root, name)),
    ownFolders: ['agent', 'cache', 'lab', 'setup'].map((name) => join(root, name)),
    sandbox: below('sandboxes'),
    sockets: (id) => join(run, safe(id)),
  };
}

/** The folder in a machine's socket folder that belongs to the VMM, which makes its sockets there. */
export const vmmFolder = (socketDirectory: string): string => join(socketDirectory, 'vmm');

/** Path of a socket that the VMM of a machine with that socket folder makes. */
export const socketPath = (socketDirectory: string, name: string): string =>
  bindable(join(vmmFolder(socketDirectory), name));

/** A path for a socket, refused with the remedy when the host could not bind it. */
export function bindable(path: string): string {
  if (Buffer.byteLength(path) > maxSocketPath) {
    throw new NovaError('set_up_failed', `The socket path ${path} is longer than ${maxSocketPath} bytes.`, {
      hint: 'Set NOVA_RUN to a short directory.',
    });
  }
  return path;
}

function defaultHome(): string {
  const given = process.env['NOVA_HOME'];
  if (given !== undefined && given !== '') return given;
  return process.getuid?.() === 0 ? '/var/lib/novasandbox' : join(homedir(), '.novasandbox');
}

function runtimeBase(): string {
  if (process.getuid?.() === 0 && process.platform === 'linux') return hostRun;
  const runtime = process.env['XDG_RUNTIME_DIR'];
  return runtime !== undefined && runtime !== ''
    ? join(runtime, 'novasandbox')
    : join(tmpdir(), `novasandbox-${process.getuid?.() ?? 0}`);
}
