import type { ByteSource, FileService } from '@novasandbox/engine/services';
import { isNovaError, type Change, type Entry } from '@novasandbox/protocol';
import type { SandboxScope } from '../sandbox-scope.ts';
import { extractTar, type ExtractLimits, type ExtractResult } from '../tar/extract.ts';
import { packDirectory } from '../tar/pack-directory.ts';
import { SkippedFiles } from '../tar/skipped-files.ts';
import { collect, contentBytes, type FileContent } from './file-content.ts';

/** Most bytes `read` and `readBytes` hold in memory unless told otherwise. */
export const defaultMaxReadBytes = 256 * 1024 * 1024;

/** For whom, and until when. Files are handled as the guest's superuser would; what is created belongs to the user. */
export interface FileOptions {
  /** Owner of what is created, at whose home relative paths start; default: the sandbox's user. */
  readonly user?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ReadOptions extends FileOptions {
  readonly offset?: number;
  readonly length?: number;
}

export interface WriteOptions extends FileOptions {
  /** Permission bits of a new file; default 0o644. */
  readonly mode?: number | undefined;
  readonly append?: boolean;
  /** Fail with `file_exists` when it is there. */
  readonly exclusive?: boolean;
}

/** A file as it comes. Iterate it once; leaving the loop early or disposing ends the transfer. */
export interface FileStream extends AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly entry: Entry;
}

/** Changes below a directory as they happen. Leaving the loop, disposing, or `stop` ends the watch. */
export interface FileWatch extends AsyncIterable<Change>, AsyncDisposable {
  stop(): Promise<void>;
}

/** Files of one sandbox. */
export class Files {
  readonly #scope: SandboxScope;

  /** @internal */
  constructor(scope: SandboxScope) {
    this.#scope = scope;
  }

  /** A file as text: UTF-8, with U+FFFD for what is not. */
  async read(path: string, options: ReadOptions & { readonly maxBytes?: number } = {}): Promise<string> {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(await this.readBytes(path, options));
  }

  async readBytes(path: string, options: ReadOptions & { readonly maxBytes?: number } = {}): Promise<Uint8Array> {
    const { maxBytes = defaultMaxReadBytes, ...how } = options;
    await using stream = await this.readStream(path, how);
    return await collect(stream, maxBytes, path);
  }

  /** A file of any size, at the pace it is read. */
  async readStream(path: string, options: ReadOptions = {}): Promise<FileStream> {
    const { signal, user, offset = 0, length } = options;
    const range = { offset, user, ...(length === undefined ? {} : { length }) };
    const reader = await this.#engine.read(this.#scope.id, path, range, { signal });
    return {
      entry: reader.entry,
      [Symbol.asyncIterator]: () => reader.bytes[Symbol.asyncIterator](),
      [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
    };
  }

  /** Writes a file of any size; directories on the way are made. */
  async write(path: string, content: FileContent, options: WriteOptions = {}): Promise<Entry> {
    const { signal, ...how } = options;
    return this.#engine.write(this.#scope.id, path, contentBytes(content), how, { signal });
  }

  /** A directory's entries, in order of name; with `depth`, those of its directories too. */
  async list(path: string, options: FileOptions & { readonly depth?: number } = {}): Promise<Entry[]> {
    const { signal, ...how } = options;
    return this.#engine.list(this.#scope.id, path, how, { signal });
  }

  async stat(path: string, { user, signal }: FileOptions = {}): Promise<Entry> {
    return this.#engine.stat(this.#scope.id, path, user, { signal });
  }

  async exists(path: string, options: FileOptions = {}): Promise<boolean> {
    try {
      await this.stat(path, options);
      return true;
    } catch (error) {
      if (isNovaError(error, 'file_not_found', 'not_a_directory')) return false;
      throw error;
    }
  }

  /** Makes a directory and those on the way. False when it was there. */
  async makeDir(path: string, options: FileOptions & { readonly mode?: number } = {}): Promise<boolean> {
    const { signal, ...how } = options;
    return this.#engine.makeDirectory(this.#scope.id, path, how, { signal });
  }

  async rename(source: string, destination: string, { user, signal }: FileOptions = {}): Promise<Entry> {
    return this.#engine.move(this.#scope.id, source, destination, user, { signal });
  }

  /** Removes a file, or a directory with all in it. False when nothing was there. */
  async remove(path: string, { user, signal }: FileOptions = {}): Promise<boolean> {
    return this.#engine.remove(this.#scope.id, path, user, { signal });
  }

  async setAttributes(
    path: string,
    attributes: { readonly mode?: number; readonly owner?: string },
    { user, signal }: FileOptions = {},
  ): Promise<Entry> {
    return this.#engine.setAttributes(this.#scope.id, path, { ...attributes, user }, { signal });
  }

  /** Resolves when the watch stands: what changes from then on is told. */
  async watch(path: string, options: FileOptions & { readonly recursive?: boolean } = {}): Promise<FileWatch> {
    const { signal, ...how } = options;
    const changes = await this.#engine.watch(this.#scope.id, path, how, { signal });
    const stop = (): Promise<void> => Promise.resolve(changes[Symbol.asyncDispose]());
    return {
      stop,
      [Symbol.asyncIterator]: () => changes[Symbol.asyncIterator](),
      [Symbol.asyncDispose]: stop,
    };
  }

  /** `watch` with a callback. `onError` is told when the watch breaks, for example because changes were lost. */
  async watchDir(
    path: string,
    onChange: (change: Change) => unknown,
    options: FileOptions & { readonly recursive?: boolean; readonly onError?: (error: unknown) => void } = {},
  ): Promise<{ stop(): Promise<void> }> {
    const { onError, ...how } = options;
    const watch = await this.watch(path, how);
    const follow = async (): Promise<void> => {
      for await (const change of watch) await onChange(change);
    };
    follow().catch((error: unknown) => onError?.(error));
    return watch;
  }

  /** Copies a directory of the host into one of the guest, which is made where it is missing. Sockets, pipes and devices are left out and told. */
  async uploadDir(hostDirectory: string, path: string, options: FileOptions = {}): Promise<ExtractResult> {
    const skipped = new SkippedFiles();
    const done = await this.importTar(path, packDirectory(hostDirectory, skipped.add), options);
    return { ...done, skipped: skipped.list };
  }

  /** Copies a directory of the guest into one of the host. What the guest sends is taken to be hostile: see `extractTar`. */
  async downloadDir(
    path: string,
    hostDirectory: string,
    options: FileOptions & ExtractLimits = {},
  ): Promise<ExtractResult> {
    await using tar = await this.exportTar(path, options);
    return await extractTar(tar, hostDirectory, options);
  }

  /** Unpacks a tar stream into a directory of the guest. All of it belongs to the user. */
  async importTar(
    path: string,
    tar: ByteSource,
    { user, signal }: FileOptions = {},
  ): Promise<{ readonly entries: number; readonly bytes: number }> {
    return this.#engine.tarIn(this.#scope.id, path, tar, user, { signal });
  }

  /** A directory or file of the guest as a tar stream. Hostile: never unpack it unchecked. */
  async exportTar(
    path: string,
    { user, signal }: FileOptions = {},
  ): Promise<AsyncIterable<Uint8Array> & AsyncDisposable> {
    return this.#engine.tarOut(this.#scope.id, path, user, { signal });
  }

  get #engine(): FileService {
    return this.#scope.engine.files;
  }
}
