import { constants, type Stats } from 'node:fs';
import { chmod, link, lstat, lutimes, mkdir, open, rename, symlink, unlink, utimes } from 'node:fs/promises';
import { NovaError } from '@novasandbox/protocol';
import { malformed } from './header.ts';
import { hostFileError } from './host-file-error.ts';
import { readTar, type TarEntry } from './read-tar.ts';
import { isSafeLink, quote, safeParts } from './safe-path.ts';
import { writeEntry } from './write-entry.ts';

export interface ExtractLimits {
  /** Limit of the bytes of all files together; default 16 GiB. */
  readonly maxBytes?: number | undefined;
  /** Limit of the number of entries; default 1 000 000. */
  readonly maxEntries?: number | undefined;
}

export interface ExtractResult {
  readonly entries: number;
  readonly bytes: number;
  /** Entries that were left out, and why: links that lead out of the destination, devices, sockets, named pipes. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}

const maxReported = 1000;
const maxDepth = 256;

/**
 * Unpacks a tar stream from a guest into a directory of the host. The stream is treated as hostile: no entry is written
 * outside of the directory; no symbolic link is followed, written through, or created so that it leads out; no entry
 * becomes a device, set-user-id, or another user's; sizes are bounded. Existing directories are filled and existing
 * files replaced.
 */
export async function extractTar(
  source: AsyncIterable<Uint8Array>,
  directory: string,
  limits: ExtractLimits = {},
): Promise<ExtractResult> {
  const extraction = new Extraction(directory, limits);
  try {
    await mkdir(directory, { recursive: true });
    for await (const entry of readTar(source)) await extraction.add(entry);
    return await extraction.finish();
  } catch (error) {
    throw extraction.brokenOff(hostFileError(error));
  }
}

class Extraction {
  readonly #root: string;
  readonly #maxBytes: number;
  readonly #maxEntries: number;
  /** Directories known to be real. They remain so, because nothing here removes a directory. */
  readonly #directories = new Set<string>(['']);
  /** Files that this extraction has created: hard links may point only to these. */
  readonly #files = new Set<string>();
  readonly #attributes = new Map<string, { readonly mode: number; readonly modifiedSeconds: number }>();
  readonly #skipped: { path: string; reason: string }[] = [];
  #entries = 0;
  #bytes = 0;
  #made = 0;

  constructor(root: string, limits: ExtractLimits) {
    this.#root = root;
    this.#maxBytes = limits.maxBytes ?? 16 * 1024 ** 3;
    this.#maxEntries = limits.maxEntries ?? 1_000_000;
  }

  async add(entry: TarEntry): Promise<void> {
    this.#entries += 1;
    if (this.#entries > this.#maxEntries) throw tooMuch(`more than ${this.#maxEntries} entries`);
    const parts = safeParts(entry.path);
    if (parts.length > maxDepth) throw malformed(`a path of more than ${maxDepth} directories`);
    if (parts.length === 0) {
      if (entry.type === 'directory') return;
      throw malformed('an entry without a name');
    }
    const path = parts.join('/');
    await this.#prepareParents(parts);
    await this.#make(entry, path, parts.length - 1);
    this.#made += 1;
  }

  async #make(entry: TarEntry, path: string, depth: number): Promise<void> {
    switch (entry.type) {
      case 'directory':
        await this.#makeDirectory(path);
        this.#attributes.set(path, {
          mode: (entry.mode & 0o755) | 0o700,
          modifiedSeconds: entry.modifiedSeconds,
        });
        return;
      case 'file':
        return this.#writeFile(path, entry);
      case 'symlink':
        if (!isSafeLink(entry.linkTarget, depth)) {
          return this.#skip(path, `a link to ${quote(entry.linkTarget)}, which leads out of the destination`);
        }
        await this.#makeRoom(path);
        await symlink(Buffer.from(entry.linkTarget, 'latin1'), this.#onDisk(path));
        // Not every file system supports times on links.
        return lutimes(this.#onDisk(path), entry.modifiedSeconds, entry.modifiedSeconds).catch(() => undefined);
      case 'hardlink':
        return this.#writeHardLink(path, entry);
      case 'other':
        return this.#skip(path, 'a device, socket or named pipe');
    }
  }

  async finish(): Promise<ExtractResult> {
    // Attributes are set at the end, deepest first: a read-only directory could not be filled, and filling it changes
    // its time.
    for (const [path, { mode, modifiedSeconds }] of [...this.#attributes].reverse()) {
      await chmod(this.#onDisk(path), mode);
      await utimes(this.#onDisk(path), modifiedSeconds, modifiedSeconds).catch(() => undefined);
    }
    return { entries: this.#entries, bytes: this.#bytes, skipped: this.#skipped };
  }

  /** Returns the error that ended the extraction, with what has been written by then. */
  brokenOff(error: unknown): unknown {
    if (!(error instanceof NovaError) || this.#made === 0) return error;
    const { code, hint, details } = error;
    const message = `${error.message} ${this.#made} entries were unpacked before and are there.`;
    return new NovaError(code, message, { cause: error, hint, details: { ...details, entries: this.#made } });
  }

  async #prepareParents(parts: readonly string[]): Promise<void> {
    for (let depth = 1; depth < parts.length; depth += 1) await this.#makeDirectory(parts.slice(0, depth).join('/'));
  }

  async #makeDirectory(path: string): Promise<void> {
    if (this.#directories.has(path)) return;
    const found = await this.#look(path);
    if (found === null) await mkdir(this.#onDisk(path), { mode: 0o755 });
    else if (!found.isDirectory()) throw refuse(path, 'is needed as a directory, but a file or link is there');
    this.#directories.add(path);
  }

  async #writeFile(path: string, entry: TarEntry): Promise<void> {
    if (this.#bytes + entry.size > this.#maxBytes) throw tooMuch(`more than ${this.#maxBytes} bytes`);
    this.#bytes += entry.size;
    const replaced = await this.#replaceable(path);
    // The existing file stays until the new one is complete.
    const place = replaced ? `${path}.${process.pid}.part` : path;
    // Set-user-id and similar bits are dropped: the file now belongs to another user on another machine.
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const file = await open(this.#onDisk(place), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.mode & 0o777);
    try {
      await writeEntry(file, entry);
      if (replaced) await rename(this.#onDisk(place), this.#onDisk(path));
    } catch (error) {
      // A partial file is worse than none.
      await unlink(this.#onDisk(place)).catch(() => undefined);
      throw error;
    } finally {
      await file.close();
    }
    this.#files.add(path);
  }

  async #writeHardLink(path: string, entry: TarEntry): Promise<void> {
    const target = safeParts(entry.linkTarget).join('/');
    if (!this.#files.has(target))
      throw malformed(`a hard link to ${quote(target)}, which is not a file of the archive`);
    if (target === path) return;
    await this.#makeRoom(path);
    await link(this.#onDisk(target), this.#onDisk(path));
    this.#files.add(path);
  }

  /** Removes the file that an entry replaces, never a directory. A link is removed, not followed. */
  async #makeRoom(path: string): Promise<void> {
    if (await this.#replaceable(path)) await unlink(this.#onDisk(path));
    this.#files.delete(path);
  }

  /** Whether something exists at the path that an entry may replace. */
  async #replaceable(path: string): Promise<boolean> {
    const found = await this.#look(path);
    if (found?.isDirectory() === true) throw refuse(path, 'is a directory here and something else in the archive');
    return found !== null;
  }

  async #look(path: string): Promise<Stats | null> {
    try {
      return await lstat(this.#onDisk(path));
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
      throw error;
    }
  }

  #onDisk(path: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.#root}/`), Buffer.from(path, 'latin1')]);
  }

  #skip(path: string, reason: string): void {
    if (this.#skipped.length < maxReported)
      this.#skipped.push({ path: Buffer.from(path, 'latin1').toString(), reason });
  }
}

function tooMuch(what: string): NovaError {
  return new NovaError('host_resource_exhausted', `The directory holds ${what}.`, {
    hint: 'Copy less at once, or raise the limit.',
  });
}

function refuse(path: string, why: string): NovaError {
  return new NovaError('file_exists', `${quote(path)} ${why}.`);
}
