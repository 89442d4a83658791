import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readElf } from './elf.ts';
import { decompress } from './vmlinux.ts';

/**
 * The modules that a guest loads at boot, in their loading order: those that it needs before it can read its root file
 * system, and those with which the agent itself asks the kernel.
 */
export const guestModules = [
  'virtio_mmio',
  'virtio_pci',
  'virtio_blk',
  'virtio_console',
  'virtio_rng',
  'virtio_net',
  'virtio_balloon',
  'crc32c_generic', // ext4 and jbd2 ask for it by the name of the algorithm, which no dependency tells
  'ext4',
  'overlay',
  'vsock',
  'vmw_vsock_virtio_transport',
  'erofs',
  'squashfs',
  'tcp_diag', // the agent ends the connections of a guest that goes on from a snapshot
  'udp_diag',
] as const;

export interface KernelModule {
  /** With underscores: `virtio_rng` for virtio-rng.ko. */
  readonly name: string;
  readonly content: Buffer;
}

/**
 * The wanted modules and their dependencies, each after those it depends on. Modules that are built in, and those this
 * kernel was built without, are left out: where one is really missing, the guest names it when it boots. Dependencies
 * are read from the modules themselves, so neither depmod nor its index is needed.
 * @param directory holds `kernel/` and `modules.builtin`, as /lib/modules/<release> does
 * @param scratch a free file name, for decompression
 */
export async function orderedModules(
  directory: string,
  wanted: readonly string[],
  scratch: string,
): Promise<KernelModule[]> {
  const builtIn = new Set(
    (await readFile(join(directory, 'modules.builtin'), 'utf8').catch(() => '')).split('\n').map(moduleName),
  );
  const files = await moduleFiles(directory);
  const ordered: KernelModule[] = [];
  const seen = new Set<string>();
  const visit = async (name: string): Promise<void> => {
    const path = files.get(name);
    if (seen.has(name) || builtIn.has(name) || path === undefined) return;
    seen.add(name);
    const content = await decompress(await readFile(join(directory, path)), scratch);
    for (const dependency of dependenciesOf(content)) await visit(dependency);
    ordered.push({ name, content });
  };
  for (const name of wanted) await visit(moduleName(name));
  return ordered;
}

/** All modules of a kernel by name, with their paths below `directory`. */
export async function moduleFiles(directory: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(directory, { recursive: true }).catch(() => [])) {
    if (/\.ko(\.(xz|zst|gz))?$/.test(entry)) files.set(moduleName(entry), entry);
  }
  return files;
}

function dependenciesOf(content: Buffer): string[] {
  const information = readElf(content)?.section('.modinfo')?.toString('latin1').split('\0') ?? [];
  const values = (key: string): string[] =>
    information.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
  return values('depends')
    .flatMap((list) => list.split(','))
    .filter((name) => name !== '')
    .map(moduleName);
}

/** The spelling of names differs between files and dependencies. This makes them the same. */
function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\..*)?$/, '')
    .replaceAll('-', '_');
}
