import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { entryAt, versionOf, type HostEntry } from './host-entry.ts';
import { digestOfFile, readAtOnce } from './read-file.ts';

const asFolder = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const asNewFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * The host's folder, as a place to write to. A path is walked folder by folder, each opened in the one before without
 * following a link, so that nothing is read or written elsewhere, whatever happens meanwhile. Where the system has no
 * paths of open folders (/proc/self/fd), each parent is looked at right before instead.
 */
export class HostTree implements Disposable {
  readonly #top: number;
  readonly #path: string;

  constructor(folder: string) {
    this.#path = realpathSync(folder);
    this.#top = openSync(this.#path, asFolder);
  }

  /** The entry at a path; null where there is nothing, or where a parent is not a folder. */
  look(path: string): HostEntry | null {
    return this.#in(path, false, (at) => {
      const found = lstatSync(at, { bigint: true, throwIfNoEntry: false });
      return found === undefined ? null : entryAt(path, at, found);
    });
  }

  /** The content of a file; null where there is no file that can be read, or it has more bytes. */
  read(path: string, maxBytes: number): Buffer | null {
    return this.#in(path, false, (at) => readAtOnce(at, maxBytes));
  }

  /** The digest of a file of any size; null where there is no file that can be read. */
  async digest(path: string): Promise<string | null> {
    const place = this.#open(path, false);
    if (place === null) return null;
    try {
      return await digestOfFile(place.at);
    } finally {
      place.close();
    }
  }

  /**
   * Puts a file in its place, as a whole: it is written beside it first. The parents are made.
   *
   * @param expected the version that it replaces, null for nothing
   * @returns the entry that is there now
   * @throws NovaError `conflict` where something else is there
   */
  async write(
    path: string,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    mode: number,
    expected: string | null,
  ): Promise<HostEntry> {
    const place = this.#open(path, true);
    if (place === null) throw changed(path);
    const part = place.beside();
    try {
      await using file = await open(part, asNewFile, 0o600);
      for await (const bytes of content) await file.writeFile(bytes);
      // The file is the caller's, so nothing but plain permissions is set.
      giveToOwner(part, place.at);
      await file.chmod(mode & 0o777);
      await file.datasync();
      requireVersion(place.at, path, expected);
      renameSync(part, place.at);
      return entryAt(path, place.at, await file.stat({ bigint: true }));
    } catch (error) {
      unlinkIfThere(part);
      throw error;
    } finally {
      place.close();
    }
  }

  link(path: string, target: string, expected: string | null): HostEntry {
    const entry = this.#in(path, true, (at, beside) => {
      const part = beside();
      symlinkSync(target, part);
      giveToOwner(part, at);
      try {
        requireVersion(at, path, expected);
        renameSync(part, at);
      } catch (error) {
        unlinkIfThere(part);
        throw error;
      }
      return entryAt(path, at, lstatSync(at, { bigint: true }));
    });
    if (entry === null) throw changed(path);
    return entry;
  }

  /** Makes a folder with its parents, or sets the permissions of one. */
  async folder(path: string, mode: number): Promise<HostEntry> {
    const made = this.#in(path, true, (at) => {
      makeFolder(at, 0o700);
      return lstatSync(at).isDirectory();
    });
    if (made !== true) throw changed(path);
    // Its owner keeps the way into it.
    return this.chmod(path, (mode & 0o777) | 0o700);
  }

  /** Sets the permissions of a file or folder, through no link. */
  async chmod(path: string, mode: number): Promise<HostEntry> {
    const place = this.#open(path, false);
    if (place === null) throw changed(path);
    try {
      await using file = await open(place.at, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      await file.chmod(mode & 0o777);
      return entryAt(path, place.at, await file.stat({ bigint: true }));
    } finally {
      place.close();
    }
  }

  /** Removes a file or link of a version. */
  remove(path: string, expected: string): void {
    this.#in(path, false, (at) => {
      requireVersion(at, path, expected);
      unlinkSync(at);
    });
  }

  /** Removes an empty folder; false where it is not empty. */
  removeFolder(path: string): boolean {
    try {
      this.#in(path, false, (at) => rmdirSync(at));
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && ['ENOTEMPTY', 'EEXIST'].includes(String(error.code)))
        return false;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#top);
  }

  #in<T>(path: string, makes: boolean, work: (at: string, beside: () => string) => T): T | null {
    const place = this.#open(path, makes);
    if (place === null) return null;
    try {
      return work(place.at, place.beside);
    } finally {
      place.close();
    }
  }

  /** Opens the folder of a path. Null where it is missing or no folder. */
  #open(path: string, makes: boolean): Place | null {
    const parts = path.split('/');
    const name = parts.pop();
    if (name === undefined || parts.concat(name).some((part) => part === '' || part === '.' || part === '..')) {
      throw new NovaError('internal', `"${path}" is no path in a workspace.`);
    }
    let [at, opened] = [hasOpenPaths ? pathOf(this.#top) : this.#path, this.#top];
    const close = (): void => {
      if (opened !== this.#top) closeSync(opened);
    };
    for (const part of parts) {
      const next = join(at, part);
      try {
        if (makes) makeFolder(next, 0o755);
        const folder = openSync(next, asFolder);
        close();
        opened = folder;
        at = hasOpenPaths ? pathOf(folder) : next;
      } catch (error) {
        close();
        if (error instanceof Error && 'code' in error && notThere.includes(String(error.code))) return null;
        throw error;
      }
    }
    return { at: join(at, name), beside: () => join(at, `.nova-${randomBytes(8).toString('hex')}.part`), close };
  }
}

interface Place {
  readonly at: string;
  readonly beside: () => string;
  readonly close: () => void;
}

const notThere = ['ENOENT', 'ENOTDIR', 'ELOOP'];
const pathOf = (folder: number): string => `/proc/self/fd/${folder}`;
const hasOpenPaths = existsSync('/proc/self/fd');

/**
 * Where root works in a folder of somebody else, what it makes belongs to them: like what it replaces, or like the
 * folder that it is in.
 *
 * @param at the place that it will have
 */
function giveToOwner(made: string, at: string): void {
  if (process.geteuid?.() !== 0) return;
  const replaced = made === at ? undefined : lstatSync(at, { throwIfNoEntry: false });
  const { uid, gid } = replaced ?? statSync(dirname(at));
  if (uid !== 0 || gid !== 0) lchownSync(made, uid, gid);
}

/** Does nothing where something is there already. */
function makeFolder(path: string, mode: number): void {
  try {
    mkdirSync(path, mode);
    giveToOwner(path, path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

function requireVersion(at: string, path: string, expected: string | null): void {
  const found = lstatSync(at, { bigint: true, throwIfNoEntry: false });
  const version = found === undefined ? null : versionOf(found);
  if (version !== expected) throw changed(path);
}

const changed = (path: string): NovaError =>
  new NovaError('conflict', `${path} was changed on this host meanwhile.`, { hint: 'Look at the changes again.' });

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was never made, or has its name already.
  }
}
