import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { hostArchitecture } from '../architecture.ts';

/**
 * The users whose sandboxes need a program: all, root (network slots), or all except root (root images in a user
 * namespace).
 */
type Users = 'all' | 'root' | 'others';

/** The programs that make and run guests, and the Debian package of each. */
const packageOf: readonly (readonly [program: string, packages: string, users: Users])[] = [
  ['mmdebstrap', 'mmdebstrap', 'all'],
  ['apt-get', 'apt', 'all'],
  ['dpkg-deb', 'dpkg', 'all'],
  ['mke2fs', 'e2fsprogs', 'all'],
  ['filefrag', 'e2fsprogs', 'all'],
  ['e2fsck', 'e2fsprogs', 'all'],
  ['resize2fs', 'e2fsprogs', 'all'],
  ['xz', 'xz-utils', 'all'],
  ['lz4', 'lz4', 'all'],
  ['zstd', 'zstd', 'all'],
  ['depmod', 'kmod', 'all'],
  ['unshare', 'util-linux', 'all'],
  ['setpriv', 'util-linux', 'all'],
  ['nsenter', 'util-linux', 'all'],
  ['prlimit', 'util-linux', 'all'],
  ['mount', 'mount', 'all'],
  ['umount', 'mount', 'all'],
  ['tar', 'tar', 'all'],
  ['ip', 'iproute2', 'root'],
  ['nft', 'nftables', 'root'],
  ['conntrack', 'conntrack', 'root'],
  ['newuidmap', 'uidmap', 'others'],
  // Rust uses it to link.
  ['cc', 'gcc libc6-dev', 'all'],
  // Debian 12 has a newer Rust under another name; its `cargo` is too old for the agent.
  ['cargo', 'cargo-web rustc-web libc6-dev', 'all'],
];

/**
 * The Debian packages of programs that guests need and that this host lacks, in a fixed order; `also`: a program that
 * is known to be missing.
 */
export function lackedPackages(also?: string): string[] {
  if (process.platform !== 'linux') return [];
  const qemu = hostArchitecture().qemu;
  const users: Users = process.getuid?.() === 0 ? 'root' : 'others';
  const programs = [[qemu.program, qemu.package, 'all'] as const, ...packageOf];
  // A mirror may have the programs that cargo would build.
  const builds = (process.env['NOVA_MIRROR'] ?? '') === '';
  const needed = (program: string): boolean => builds || (program !== 'cargo' && program !== 'cc');
  return [
    ...new Set(
      programs
        .filter(([program]) => program === also || needed(program))
        .filter(([program, , of]) => program === also || ((of === 'all' || of === users) && !isThere(program)))
        .map(([, packages]) => packages),
    ),
  ];
}

/** One remedy for all missing packages; null where none is known to be missing. */
export function installRemedy(also?: string): string | null {
  const lacked = lackedPackages(also);
  return lacked.length === 0
    ? null
    : `Let ./nova do it, or install what this host lacks by the names of Debian 12: apt-get install ${lacked.join(' ')}`;
}

/** Searches the folders in which commands are run (command.ts). */
function isThere(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => folder !== '' && existsSync(join(folder, program)));
}
