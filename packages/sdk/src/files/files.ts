import type { ByteSource, FileService, Manifest, ManifestRequest } from '@novasandbox/engine/services';
import { isNovaError, type Change, type Entry } from '@novasandbox/protocol';
import type { SandboxScope } from '../sandbox-scope.ts';
import { extractTar, type ExtractLimits, type ExtractResult } from '../tar/extract.ts';
import { packDirectory } from '../tar/pack-directory.ts';
import { SkippedFiles } from '../tar/skipped-files.ts';
import { collect, contentBytes, type FileContent } from './file-content.ts';

/** Default limit of the bytes that `read` and `readBytes` hold in memory. */
const defaultMaxReadBytes = 256 * 1024 * 1024;

/** User and cancellation. Files are accessed as the guest's superuser; new files belong to the user. */
export interface FileOptions {
  /** Owner of new files; relative paths start at this user's home. Default: the sandbox's user. */
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
  /** Fail with `file_exists` when the file exists. */
  readonly exclusive?: boolean;
  /** Write from this byte on and leave the rest as it is; default: the file is replaced. */
  readonly offset?: number | undefined;
}

/** A file that is being read. Iterate it once; leaving the loop early or disposing ends the transfer. */
export interface FileStream extends AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly entry: Entry;
}

/** Changes below a directory as they happen. Leaving the loop, disposing, or calling `stop` ends the watch. */
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

  /** Reads a file as text: UTF-8, with U+FFFD for invalid bytes. */
  async read(path: string, options: ReadOptions & { readonly maxBytes?: number } = {}): Promise<string> {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(await this.readBytes(path, options));
  }

  async readBytes(path: string, options: ReadOptions & { readonly maxBytes?: number } = {}): Promise<Uint8Array> {
    const { maxBytes = defaultMaxReadBytes, ...how } = options;
    await using stream = await this.readStream(path, how);
    return await collect(stream, maxBytes, path);
  }

  /** Reads a file of any size at the caller's pace. */
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

  /** Writes a file of any size and creates missing parent directories. */
  async write(path: string, content: FileContent, options: WriteOptions = {}): Promise<Entry> {
    const { signal, ...how } = options;
    return this.#engine.write(this.#scope.id, path, contentBytes(content), how, { signal });
  }

  /** Lists a directory's entries in order of name; with `depth`, those of its subdirectories too. */
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

  /** Creates a directory and its missing parents. False when it already existed. */
  async makeDir(path: string, options: FileOptions & { readonly mode?: number } = {}): Promise<boolean> {
    const { signal, ...how } = options;
    return this.#engine.makeDirectory(this.#scope.id, path, how, { signal });
  }

  async rename(source: string, destination: string, { user, signal }: FileOptions = {}): Promise<Entry> {
    return this.#engine.move(this.#scope.id, source, destination, user, { signal });
  }

  /** Removes a file, or a directory with everything in it. False when it did not exist. */
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

  /** Resolves when the watch is active: every later change is reported. */
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

  /**
   * Like `watch`, with a callback. `onError` is called when the watch breaks, for example because changes were lost.
   */
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

  /**
   * Copies a directory of the host into a directory of the guest, which is created if it is missing. Sockets, pipes and
   * devices are left out; the result lists them.
   */
  async uploadDir(hostDirectory: string, path: string, options: FileOptions = {}): Promise<ExtractResult> {
    const skipped = new SkippedFiles();
    const done = await this.importTar(path, packDirectory(hostDirectory, skipped.add), options);
    return { ...done, skipped: skipped.list };
  }

  /**
   * Copies a directory of the guest into a directory of the host. The data from the guest is treated as hostile: see
   * `extractTar`.
   */
  async downloadDir(
    path: string,
    hostDirectory: string,
    options: FileOptions & ExtractLimits = {},
  ): Promise<ExtractResult> {
    await using tar = await this.exportTar(path, options);
    return await extractTar(tar, hostDirectory, options);
  }

  /**
   * Lists the whole tree below a directory, for a comparison: versions, and digests of files of at most `hashBytes`.
   * The guest's answer must not be trusted.
   */
  async manifest(
    path: string,
    { signal, ...request }: ManifestRequest & { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Manifest> {
    return this.#engine.manifest(this.#scope.id, path, request, { signal });
  }

  /** Unpacks a tar stream into a directory of the guest. All unpacked files belong to the user. */
  async importTar(
    path: string,
    tar: ByteSource,
    { user, signal }: FileOptions = {},
  ): Promise<{ readonly entries: number; readonly bytes: number }> {
    return this.#engine.tarIn(this.#scope.id, path, tar, user, { signal });
  }

  /** Reads a directory or file of the guest as a tar stream. The stream may be hostile: never unpack it unchecked. */
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
