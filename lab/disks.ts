import { chmod, copyFile, cp, lstat, mkdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import {
  copySparse,
  distributionKernelRecord,
  fileMark,
  makeWritableDisk,
  repositoryRoot,
  sha256,
} from '@novasandbox/engine';
import type { Brought } from './brought.ts';
import { diskOf, keptDisk, type KeptDiskOptions } from './kept-disk.ts';
import type { Parts } from './parts.ts';

/** A disk of the lab's machine. */
export interface Disk {
  readonly path: string;
  /** Null for the root image and its writable layer, which the agent mounts by itself. */
  readonly mountPoint: string | null;
  /** `scratch`: writable, but writes are lost with the lab; the file itself does not change. */
  readonly access: 'read' | 'write' | 'scratch';
}

/** Path of the checkout in the lab. */
export const checkoutIn = '/nova';
/** The folder with this Node. */
export const nodeIn = '/opt/node';
/** The folder with the files of the host: in the checkout, as an empty folder that git does not know. */
export const broughtIn = `${checkoutIn}/.nova`;
/** The state folder, at root's default path. */
const homeIn = '/var/lib/novasandbox';

/** Size in MiB of the disk for all writes in the lab. */
const writableMb = 32 * 1024;

/** Large files that tools make; they are not copied. */
const leftOut = new Set(['node_modules', '.git', 'target', '__pycache__', basename(broughtIn)]);

/** All disks in their order: the root image and its writable layer come first. */
export async function labDisks(options: KeptDiskOptions, parts: Parts, brought: readonly Brought[]): Promise<Disk[]> {
  const writable = join(options.directory, 'writable.ext4');
  await makeWritableDisk(writable, writableMb, { signal: options.signal });
  return [
    { path: parts.root.path, mountPoint: null, access: 'read' },
    { path: writable, mountPoint: null, access: 'write' },
    { path: await checkoutDisk(options, brought), mountPoint: checkoutIn, access: 'read' },
    { path: await modulesDisk(options), mountPoint: `${checkoutIn}/node_modules`, access: 'read' },
    { path: await nodeDisk(options), mountPoint: nodeIn, access: 'read' },
    { path: await stateDisk(options, parts), mountPoint: homeIn, access: 'scratch' },
  ];
}

/** The present checkout with the files of the host, and a folder for its modules. */
async function checkoutDisk({ directory, signal }: KeptDiskOptions, brought: readonly Brought[]): Promise<string> {
  const tree = join(directory, 'checkout');
  await cp(repositoryRoot, tree, {
    recursive: true,
    verbatimSymlinks: true,
    filter: async (source) => !leftOut.has(basename(source)) && (await canBeCopied(source)),
  });
  await mkdir(join(tree, 'node_modules'));
  const own = join(tree, relative(checkoutIn, broughtIn));
  await mkdir(own);
  for (const { name, path } of brought) {
    await copySparse(path, join(own, name), { signal });
    await chmod(join(own, name), (await stat(path)).mode);
  }
  const path = join(directory, 'checkout.ext4');
  await diskOf(tree, path, signal);
  return path;
}

/** Sockets and pipes are not copied, since they are not sources. */
async function canBeCopied(path: string): Promise<boolean> {
  const found = await lstat(path);
  return found.isFile() || found.isDirectory() || found.isSymbolicLink();
}

async function modulesDisk(options: KeptDiskOptions): Promise<string> {
  const installed = join(repositoryRoot, 'node_modules');
  // npm's own record of the installed packages.
  const list = await readFile(join(installed, '.package-lock.json'));
  return keptDisk(options, 'modules', sha256(list), () => Promise.resolve(installed));
}

async function nodeDisk(options: KeptDiskOptions): Promise<string> {
  const node = process.execPath;
  return keptDisk(options, 'node', sha256(`${node} ${fileMark(node)}`), async (tree) => {
    await copyFile(node, join(tree, 'node'));
    return tree;
  });
}

/** A state folder with everything built already, because the lab has neither a network nor compilers. */
async function stateDisk(options: KeptDiskOptions, { guests }: Parts): Promise<string> {
  const { home } = options.layout;
  const { agent, confiner, kernel, initramfs, root } = guests;
  // Each part is at its usual place, under a name that identifies its contents. The kernel itself tells which one is
  // the distribution's.
  const files = [
    agent.path,
    confiner.program,
    confiner.guestMemory,
    kernel.path,
    distributionKernelRecord(options.layout, kernel.architecture),
    initramfs.path,
    root.path,
    join(dirname(root.path), 'manifest.json'),
  ].map((path) => relative(home, path));
  return keptDisk(options, 'state', sha256(files.join('\n')), async (tree) => {
    for (const file of files) {
      await mkdir(dirname(join(tree, file)), { recursive: true });
      await copySparse(join(home, file), join(tree, file), { signal: options.signal });
    }
    return tree;
  });
}
