import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import { runCommand } from '../programs/command.ts';
import type { ArchiveEntry } from './cpio.ts';
import { moduleFiles, orderedModules, type KernelModule } from './modules.ts';

/**
 * The paths of modules that programs in a guest may need: for containers and their networks, firewalls, tunnels,
 * images, and disks within disks. They take up memory of the guest, compressed, so modules of little use are left out.
 */
const wanted: readonly RegExp[] = [
  /^kernel\/drivers\/net\/(dummy|ifb|tap|tun|veth|vrf|macvlan|macvtap)\.ko/,
  /^kernel\/drivers\/net\/(ipvlan|vxlan|wireguard)\//,
  /^kernel\/net\/bridge\//,
  /^kernel\/net\/8021q\//,
  /^kernel\/net\/netfilter\/(nf_|nft_|nfnetlink|x_tables|xt_)[^/]*$/,
  /^kernel\/net\/ipv[46]\/netfilter\//,
  /^kernel\/net\/ipv4\/(ipip|ip_gre|ip_tunnel|udp_tunnel)\.ko/,
  /^kernel\/net\/sched\/(sch_(htb|ingress|netem|tbf|prio|fq_codel)|cls_(u32|fw|flower|matchall|bpf)|act_(mirred|police|bpf|gact))\.ko/,
  /^kernel\/net\/vmw_vsock\/vsock_loopback\.ko/,
  /^kernel\/drivers\/block\/(loop|nbd|zram)\.ko/,
  /^kernel\/drivers\/md\/(dm-mod|dm-crypt)\.ko/,
  /^kernel\/fs\/(fuse|isofs|fat|overlayfs)\//,
  /^kernel\/fs\/nls\/nls_(ascii|utf8|cp437|iso8859-1)\.ko/,
  /^kernel\/fs\/binfmt_misc\.ko/,
];

/** The indexes of depmod that modprobe reads, both kmod's and busybox's. */
const indexes = /^modules\.(dep|alias|builtin|builtin\.alias|softdep)(\.bin)?$|^modules\.devname$/;

/** Raise it when the same modules give other files. */
const recipeVersion = 1;
export const onDemandRecipe = [recipeVersion, ...wanted].join(' ');

/**
 * The modules of a kernel that a guest loads on demand, as files below `on-demand/<release>` of its initramfs
 * (guest/BOOT.md). Empty where the kernel has no modules. `loaded` names the modules that every guest loads at boot;
 * modprobe is told that they are built in.
 * @param directory holds `kernel/` and `modules.builtin`, as /lib/modules/<release> does
 * @param scratch a folder that does not exist yet
 */
export async function onDemandModules(
  directory: string,
  release: string,
  loaded: readonly KernelModule[],
  scratch: string,
  signal?: AbortSignal,
): Promise<ArchiveEntry[]> {
  const files = await moduleFiles(directory);
  const names = [...files].filter(([, path]) => wanted.some((pattern) => pattern.test(path))).map(([name]) => name);
  if (names.length === 0) return [];
  const tree = join(scratch, 'lib', 'modules', release);
  await mkdir(join(tree, 'kernel'), { recursive: true });
  const known = new Set(loaded.map(({ name }) => name));
  for (const { name, content } of await orderedModules(directory, names.toSorted(), join(scratch, 'module'))) {
    if (!known.has(name)) await writeFile(join(tree, 'kernel', `${name}.ko.zst`), compressed(content));
  }
  const builtIn = await readFile(join(directory, 'modules.builtin'), 'utf8').catch(() => '');
  await writeFile(join(tree, 'modules.builtin'), builtIn + [...known].map((name) => `kernel/${name}.ko\n`).join(''));
  await copyFile(join(directory, 'modules.builtin.modinfo'), join(tree, 'modules.builtin.modinfo')).catch(() => {});
  await runCommand('depmod', ['-b', scratch, release], { signal });
  return entriesOf(tree, release);
}

async function entriesOf(tree: string, release: string): Promise<ArchiveEntry[]> {
  const top = `on-demand/${release}`;
  const directory = (path: string): ArchiveEntry => ({ path, type: 'directory', mode: 0o755 });
  const file = async (path: string): Promise<ArchiveEntry> => ({
    path: `${top}/${path}`,
    type: 'file',
    mode: 0o644,
    content: await readFile(join(tree, path)),
  });
  const modules = (await readdir(join(tree, 'kernel'))).toSorted().map((name) => `kernel/${name}`);
  const found = (await readdir(tree)).filter((name) => indexes.test(name)).toSorted();
  return [
    ...['on-demand', top, `${top}/kernel`].map(directory),
    ...(await Promise.all([...found, ...modules].map(file))),
  ];
}

function compressed(content: Buffer): Buffer {
  return zstdCompressSync(content, { params: { [constants.ZSTD_c_compressionLevel]: 19 } });
}
