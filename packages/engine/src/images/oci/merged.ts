import type { FileHandle } from 'node:fs/promises';
import { invalidImage } from './manifest.ts';
import { padding, writeHeader } from './tar-header.ts';
import type { ImageTree, Inode } from './tree.ts';

const chunkBytes = 1 << 17;
const blockBytes = 4096;

/** The size and the inodes that an ext4 file system needs for a tree. */
export interface TreeSize {
  readonly inodes: number;
  /** Blocks of 4 KiB for contents, folders and attributes. */
  readonly blocks: number;
  /** The first device, which only root can make. */
  readonly device: string | null;
}

/** Measures a tree before anything of it is written. */
export function measureTree(tree: ImageTree): TreeSize {
  const seen = new Set<Inode>();
  let inodes = 0;
  let blocks = 0;
  let device: string | null = null;
  for (const { path, inode, entries } of tree.walk()) {
    const isFolder = inode.type === '5';
    if (!isFolder && seen.has(inode)) continue;
    seen.add(inode);
    inodes += 1;
    // An entry of a folder takes 8 bytes and its name; half of a block may be empty.
    if (isFolder) blocks += 1 + Math.ceil((entries * 48) / blockBytes);
    else blocks += Math.ceil(Math.max(inode.size, inode.link.length > 59 ? 1 : 0) / blockBytes);
    if (inode.attributes !== null) blocks += 1 + Math.ceil(inode.attributes.length / blockBytes);
    if ('34'.includes(inode.type)) device ??= path;
  }
  return { inodes, blocks, device };
}

/**
 * The tree as one archive: folders first, each before what is in it; then files in the order in which their contents
 * lie in the layers; then further names of files.
 */
export async function* mergedArchive(tree: ImageTree, archives: readonly FileHandle[]): AsyncGenerator<Buffer> {
  const files: { readonly path: string; readonly inode: Inode }[] = [];
  const firstNames = new Map<Inode, string>();
  const links: { readonly path: string; readonly to: string }[] = [];
  for (const { path, inode } of tree.walk()) {
    if (inode.type === '5') {
      yield entry(`${path}/`, inode);
      continue;
    }
    const first = firstNames.get(inode);
    if (first === undefined) {
      firstNames.set(inode, path);
      files.push({ path, inode });
    } else links.push({ path, to: first });
  }
  files.sort((a, b) => a.inode.layer - b.inode.layer || a.inode.offset - b.inode.offset);
  for (const { path, inode } of files) {
    yield entry(path, inode);
    if (inode.size === 0) continue;
    const archive = archives[inode.layer];
    if (archive === undefined) throw new Error('a file has a layer');
    yield* contentOf(archive, inode);
    yield padding(inode.size);
  }
  for (const { path, to } of links) {
    const header = { type: '1', name: path, link: to, mode: 0, uid: 0, gid: 0, size: 0, mtime: 0, major: 0, minor: 0 };
    yield writeHeader(header, null);
  }
  // The end of an archive.
  yield Buffer.alloc(1024);
}

function entry(name: string, { attributes, ...header }: Inode): Buffer {
  // Only symbolic links have a target here: hard links are names of one inode.
  return writeHeader({ ...header, name, link: header.type === '2' ? header.link : '' }, attributes);
}

async function* contentOf(archive: FileHandle, { offset, size }: Inode): AsyncGenerator<Buffer> {
  for (let done = 0; done < size;) {
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, size - done));
    const { bytesRead } = await archive.read(buffer, 0, buffer.length, offset + done);
    if (bytesRead === 0) throw invalidImage('a layer ends within a file');
    done += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
