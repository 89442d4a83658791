import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { NovaError } from '@novasandbox/protocol';

/**
 * Every path that NovaSandbox has on disk, in one place. Ids and digests are checked here before they become part of a
 * path. No other name that a caller or a guest gives reaches the file system.
 *
 *     <home>/                   NOVA_HOME; /var/lib/novasandbox for root, ~/.novasandbox for others
 *       store.sqlite            sandboxes, leases
 *       server.sqlite           the daemon's keys, users, answers
 *       server.sqlite.lock      held by the running daemon
 *       *.sqlite.layout-<n>     the file before an upgrade brought it to a later layout (store/migrate.ts)
 *       nova.sock nova.pid      the running daemon: its owner's socket, its process
 *       reserve                 space that is given back when the disk is full (store/reserve.ts)
 *       admin.key server.secret config.yaml
 *       agent/<digest>/         the guest agent's binary
 *       confine/<digest>/       the program that confines VMMs
 *       listen/<digest>/        the program that opens listeners in network slots
 *       kernels/<digest>/       vmlinux, modules
 *       initramfs/<digest>/     initramfs.cpio
 *       rootfs/<digest>/        rootfs.ext4, manifest.json, build.log
 *       oci/                    images that templates are made of: blobs/<digest>, partial/<digest>,
 *                               images/<digest>.json (images/oci/record.ts), templates/<id>/template.json
 *       registries.json         how to reach registries, written by people
 *       lab/<digest>/           disk.ext4: disks of the KVM lab
 *       golden/<digest>/        ram, state, disk.raw, snapshot.json: guests that sandboxes are clones of
 *       snapshots/<id>/         manifest.json, disk.raw; state, and ram or pages: snapshots of sandboxes
 *       instants/               half-made snapshots, and moments of sandboxes that are being forked
 *       sandboxes/<id>/         disk.raw, console.log, vmm.log (both logs begin with a hole), jail/ and out/ of a
 *                               running Firecracker, memory/ of a sandbox that is hibernated
 *       volumes/<id>/           disk.raw: volumes
 *       making/<id>.json        the process that makes a machine for a snapshot or an image
 *       replaced-<time>/        the former files in the places where `nova restore` has put a backup
 *       quarantine/<id>/        files of a sandbox folder that no store knew
 *       ssh/                    keys with which SSH clients and `nova ssh-proxy` know each other
 *       cache/ setup/ node/     compiled code; results and installations of ./nova
 *       probes/                 results of probe boots, by host boot and VMM
 *       vmm/<name>/<version>/   VMMs that `nova setup` installed; vmm/<name>/current leads to the one in use
 *       work/                   half-made things; their makers remove them
 *     <run>/<id>/vmm/           Unix sockets of one sandbox (short paths); this folder belongs to its VMM, all others
 *                               are ours
 *     <run>/egress.*            control socket, lock and output of the process that decides what sandboxes reach
 *     /run/novasandbox/slots.sqlite   network slots of the host; of a user who is not root, beside their <run>
 *     /run/novasandbox/uids.sqlite    user ids of the host's VMMs
 */
export interface Layout {
  readonly home: string;
  readonly run: string;
  readonly templateDirectories: readonly string[];
  readonly storeFile: string;
  readonly reserveFile: string;
  /** The key of what is sealed in the store (secrets/seal.ts). */
  readonly secretsKeyFile: string;
  /** Files of the daemon. */
  readonly daemon: {
    readonly database: string;
    readonly socket: string;
    readonly pidFile: string;
    readonly keyFile: string;
    readonly secretFile: string;
    readonly configFile: string;
  };
  /** The process that decides what sandboxes reach (egress/). */
  readonly egress: { readonly socket: string; readonly lock: string; readonly log: string };
  /**
   * The registry of this host's network slots. There is one file per host, and one for each user who is not root,
   * whatever the state folder. It is gone after a reboot, as the slots are.
   */
  readonly slotRegistryFile: string;
  /** The registry of the users of this host's VMMs. It is also one per host and gone after a reboot. */
  readonly uidRegistryFile: string;
  readonly probeDirectory: string;
  readonly vmmDirectory: string;
  readonly workDirectory: string;
  /** Notes of who makes which machine that no store knows (vmm/unfinished.ts). */
  readonly making: string;
  readonly agent: (digest: string) => string;
  readonly confiner: (digest: string) => string;
  readonly listener: (digest: string) => string;
  readonly kernel: (digest: string) => string;
  readonly initramfs: (digest: string) => string;
  readonly rootfs: (digest: string) => string;
  /** Images of registries and files, whose layers root images are made of. */
  readonly oci: {
    readonly directory: string;
    /** A manifest, config or layer, by the SHA-256 of its bytes. */
    readonly blob: (digest: string) => string;
    readonly blobs: string;
    /** The beginning of a blob that is being fetched. */
    readonly partial: (digest: string) => string;
    readonly partials: string;
    /** The record of an image. */
    readonly image: (name: string) => string;
    readonly images: string;
    /** Templates that were made by naming an image. */
    readonly templates: string;
    readonly lock: string;
    readonly settings: string;
  };
  readonly lab: (digest: string) => string;
  readonly golden: (digest: string) => string;
  readonly goldenSnapshots: string;
  readonly snapshot: (id: string) => string;
  readonly snapshots: string;
  /** Half-made snapshots, and moments of sandboxes that are being forked: on the file system of their disks. */
  readonly instants: { readonly workDirectory: string };
  readonly sandboxes: string;
  readonly volumes: string;
  /** Folders of sandboxes that the store does not know. */
  readonly quarantine: string;
  readonly ssh: string;
  /**
   * Folders of the files that VMMs open by name and that no other user may open. The machine's templates are in them.
   */
  readonly imageFolders: readonly string[];
  /** Folders that only their owner may enter. */
  readonly ownFolders: readonly string[];
  readonly sandbox: (id: string) => string;
  readonly volume: (id: string) => string;
  readonly sockets: (id: string) => string;
}

/** The folder for root's processes. */
const hostRun = '/run/novasandbox';

/** Longest path of a Unix socket that works everywhere (macOS: 104 with the final NUL). */
const maxSocketPath = 103;

/** Neither exists in a CommonJS bundle. */
const { dirname: here, filename }: { readonly dirname?: string; readonly filename?: string } = import.meta;

/**
 * The checkout to which this file belongs, or the package with which it was installed, whose compiled modules are one
 * folder less deep. Templates and the sources of the agent are in it.
 */
export const repositoryRoot =
  here === undefined ? resolve('.') : resolve(here, filename?.endsWith('.ts') === true ? '../../..' : '../..');

/**
 * The path of a file or folder that NovaSandbox includes. Throws an error that names it where it is missing.
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
      join(root, 'oci', 'templates'),
      join(repositoryRoot, 'templates'),
    ],
    storeFile: join(root, 'store.sqlite'),
    reserveFile: join(root, 'reserve'),
    secretsKeyFile: join(root, 'secrets.key'),
    daemon: {
      database: join(root, 'server.sqlite'),
      // It is beside the others where the path is short enough for the system to bind it.
      socket:
        Buffer.byteLength(join(root, 'nova.sock')) > maxSocketPath ? join(run, 'nova.sock') : join(root, 'nova.sock'),
      pidFile: join(root, 'nova.pid'),
      keyFile: join(root, 'admin.key'),
      secretFile: join(root, 'server.secret'),
      configFile: join(root, 'config.yaml'),
    },
    egress: {
      socket: join(run, 'egress.sock'),
      lock: join(run, 'egress.lock'),
      log: join(run, 'egress.log'),
    },
    slotRegistryFile: join(runtimeBase(), 'slots.sqlite'),
    uidRegistryFile: join(hostRun, 'uids.sqlite'),
    probeDirectory: join(root, 'probes'),
    vmmDirectory: join(root, 'vmm'),
    workDirectory: join(root, 'work'),
    making: join(root, 'making'),
    agent: below('agent'),
    confiner: below('confine'),
    listener: below('listen'),
    kernel: below('kernels'),
    initramfs: below('initramfs'),
    rootfs: below('rootfs'),
    oci: {
      directory: join(root, 'oci'),
      blob: below('oci/blobs'),
      blobs: join(root, 'oci', 'blobs'),
      partial: below('oci/partial'),
      partials: join(root, 'oci', 'partial'),
      image: (name) => join(root, 'oci', 'images', `${safe(name)}.json`),
      images: join(root, 'oci', 'images'),
      templates: join(root, 'oci', 'templates'),
      lock: join(root, 'oci', 'lock'),
      settings: join(root, 'registries.json'),
    },
    lab: below('lab'),
    golden: below('golden'),
    goldenSnapshots: join(root, 'golden'),
    snapshot: below('snapshots'),
    snapshots: join(root, 'snapshots'),
    instants: { workDirectory: join(root, 'instants') },
    sandboxes: join(root, 'sandboxes'),
    volumes: join(root, 'volumes'),
    quarantine: join(root, 'quarantine'),
    ssh: join(root, 'ssh'),
    imageFolders: [
      ...['confine', 'kernels', 'initramfs', 'rootfs', 'golden', 'snapshots', 'instants', 'probes', 'volumes'],
    ].map((name) => join(root, name)),
    ownFolders: [
      ...['agent', 'cache', 'lab', 'listen', 'setup', 'ssh'],
      ...['oci', 'oci/blobs', 'oci/images', 'oci/partial', 'oci/templates'],
    ].map((name) => join(root, name)),
    sandbox: below('sandboxes'),
    volume: below('volumes'),
    sockets: (id) => join(run, safe(id)),
  };
}

/** Mode of folders that VMMs, who are other users, only pass through. */
const passable = 0o711;

/** Makes the folder of sockets again where an engine that was closed has removed it, because nothing was in it. */
export function makeRunFolder(run: string): void {
  if (existsSync(run)) return;
  mkdirSync(run, { recursive: true, mode: passable });
  chmodSync(run, passable);
}

/** Removes the folder of sockets where nothing is in it: no sandbox runs, and nothing serves any. */
export function removeEmptyRunFolder(run: string): void {
  try {
    rmdirSync(run);
  } catch {
    // It is in use, or gone.
  }
}

/** The folder, in a machine's socket folder, that belongs to the VMM, which makes its sockets there. */
export const vmmFolder = (socketDirectory: string): string => join(socketDirectory, 'vmm');

/** Path of a socket that the VMM of a machine with that socket folder makes. */
export const socketPath = (socketDirectory: string, name: string): string =>
  bindable(join(vmmFolder(socketDirectory), name));

/** A path for a socket. Throws an error with the remedy when the path is too long for the host to bind. */
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
