import { invalidImage } from './manifest.ts';
import type { TarEntry } from './tar-entries.ts';

/** A file, folder, link or device, which may have several names. */
export interface Inode extends Omit<TarEntry, 'name'> {
  /** The layer that its content is in, counted from the lowest. */
  readonly layer: number;
}

interface Node {
  inode: Inode;
  /** Null unless it is a folder. */
  children: Map<string, Node> | null;
}

const whiteout = '.wh.';
const opaque = '.wh..wh..opq';

/** Limits of Linux, bytes. */
const longestName = 255;
const longestPath = 4095;

/** A folder that only names of files in it show. */
const impliedFolder: Inode = {
  ...{ type: '5', link: '', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0, major: 0, minor: 0 },
  ...{ offset: 0, attributes: null, layer: 0 },
};

/** The types of entries that a file system has: files, links, devices, folders, pipes. */
const known = '0123456';

/**
 * The file system that the layers of an image give together. It is only an index: contents stay where they are.
 *
 * A path means its bytes. It never leads through a link, neither of a lower layer nor of the same: a folder takes the
 * place of what is in its way.
 */
export class ImageTree {
  readonly #root: Node = { inode: impliedFolder, children: new Map() };
  readonly #most: number;
  #count = 0;

  /** @param most of entries in all layers together */
  constructor(most: number) {
    this.#most = most;
  }

  /** Counts entries as they are read, so that a layer of too many is not read to its end. */
  count(): void {
    this.#count += 1;
    if (this.#count > this.#most)
      throw invalidImage(`its layers have more than ${this.#most} files, which registries.json allows (limits.files)`);
  }

  /** Puts a layer upon those before it. Its whiteouts remove what lower layers have, never what it has itself. */
  apply(layer: number, entries: readonly TarEntry[]): void {
    const added: { readonly path: readonly string[]; readonly entry: TarEntry }[] = [];
    for (const entry of entries) {
      const path = componentsOf(entry.name);
      const last = path.at(-1) ?? '';
      if (last === opaque) this.#folderAt(path.slice(0, -1))?.clear();
      // Other names that begin so are notes of aufs.
      else if (last.startsWith(`${whiteout}${whiteout}`)) continue;
      else if (last.startsWith(whiteout)) this.#folderAt(path.slice(0, -1))?.delete(last.slice(whiteout.length));
      else added.push({ path, entry });
    }
    for (const { path, entry } of added) this.#add(layer, path, entry);
  }

  /** Makes a folder, and those above it, unless something else has one of their names. */
  addFolder(path: string, mode = 0o755): void {
    let children = this.#root.children;
    for (const name of componentsOf(path)) {
      if (children === null) return;
      const before = children.get(name);
      const node = before ?? { inode: { ...impliedFolder, mode }, children: new Map<string, Node>() };
      if (before === undefined) children.set(name, node);
      children = node.children;
    }
  }

  /** All names, each folder before what is in it. `path` is bytes, one a character, and begins with `.`. */
  *walk(): Generator<{ readonly path: string; readonly inode: Inode; readonly entries: number }> {
    const open: { readonly path: string; readonly node: Node }[] = [{ path: '.', node: this.#root }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { path, node } = next;
      yield { path, inode: node.inode, entries: node.children?.size ?? 0 };
      for (const [name, child] of node.children ?? []) open.push({ path: `${path}/${name}`, node: child });
    }
  }

  #nodeAt(path: readonly string[]): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of path) node = node?.children?.get(name);
    return node;
  }

  #folderAt(path: readonly string[]): Map<string, Node> | null {
    return this.#nodeAt(path)?.children ?? null;
  }

  #add(layer: number, path: readonly string[], entry: TarEntry): void {
    const name = path.at(-1);
    if (!known.includes(entry.type)) throw invalidImage(`a layer has an entry of the unknown type "${entry.type}"`);
    const isFolder = entry.type === '5';
    if (name === undefined) {
      // The root itself.
      if (isFolder) this.#root.inode = inodeOf(layer, entry);
      return;
    }
    const parent = this.#makeFolders(path.slice(0, -1));
    if (entry.type === '1') {
      const target = this.#nodeAt(componentsOf(entry.link));
      // The link is to the file that has the name now: another one may get it later.
      if (target === undefined || target.children !== null)
        throw invalidImage(`a layer has a hard link to ${shown(entry.link)}, which is no file`);
      parent.set(name, { inode: target.inode, children: null });
      return;
    }
    const before = parent.get(name);
    const inode = inodeOf(layer, entry);
    if (isFolder && before !== undefined && before.children !== null) before.inode = inode;
    else parent.set(name, { inode, children: isFolder ? new Map() : null });
  }

  #makeFolders(path: readonly string[]): Map<string, Node> {
    let children = this.#root.children ?? new Map<string, Node>();
    for (const name of path) {
      let node = children.get(name);
      if (node === undefined || node.children === null) {
        node = { inode: impliedFolder, children: new Map() };
        children.set(name, node);
      }
      children = node.children ?? children;
    }
    return children;
  }
}

function inodeOf(layer: number, entry: TarEntry): Inode {
  const { type, link, mode, uid, gid, size, mtime, major, minor, offset, attributes } = entry;
  return { type, link, mode, uid, gid, size, mtime, major, minor, offset, attributes, layer };
}

/** @throws NovaError `image_invalid` for a path that leads out of the root, or that Linux does not allow */
function componentsOf(path: string): string[] {
  const components = path.split('/').filter((name) => name !== '' && name !== '.');
  if (path.includes('\0') || path.length > longestPath)
    throw invalidImage('a layer has a path that is too long or has a zero byte');
  for (const name of components) {
    const bare = name.startsWith(whiteout) && name !== opaque ? name.slice(whiteout.length) : name;
    if (name === '..' || ['', '.', '..'].includes(bare))
      throw invalidImage(`a layer has the path ${shown(path)}, which leads elsewhere`);
    if (bare.length > longestName) throw invalidImage(`a layer has a name that is too long: ${shown(path)}`);
  }
  return components;
}

const shown = (path: string): string => JSON.stringify(path.slice(0, 200));
