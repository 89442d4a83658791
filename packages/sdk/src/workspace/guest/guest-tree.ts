import { createHash } from 'node:crypto';
import type { FileService, ManifestRequest } from '@novasandbox/engine/services';
import { isNovaError, NovaError, type ManifestEntry } from '@novasandbox/protocol';
import type { SandboxScope } from '../../sandbox-scope.ts';

/** Most entries of a guest's folder that are compared. */
const maxEntries = 1_000_000;
/** Paths of one request, so that it stays well below the limits of a request and of the agent. */
const maxRequestBytes = 256 * 1024;
/** Files of more bytes are not hashed in the guest; they count as changed when anything about them has changed. */
const maxHashedBytes = 64 * 1024 ** 3;

export type GuestEntries = Map<string, ManifestEntry>;

/** A folder of the guest. Whatever it says may be made up by programs that run there. */
export class GuestTree {
  readonly path: string;
  readonly #scope: SandboxScope;
  readonly #user: string | undefined;
  readonly #signal: AbortSignal | undefined;

  constructor(scope: SandboxScope, path: string, user: string | undefined, signal: AbortSignal | undefined) {
    this.#scope = scope;
    this.path = path;
    this.#user = user;
    this.#signal = signal;
  }

  get files(): FileService {
    return this.#scope.engine.files;
  }

  /** Lists everything but `.git` and the given folders; null where there is no such folder. */
  async all(skipPaths: readonly string[]): Promise<GuestEntries | null> {
    try {
      return await this.#list({ skip: ['.git', ...fitting(skipPaths.map((path) => `/${path}`))] });
    } catch (error) {
      if (isNovaError(error, 'file_not_found')) return null;
      throw error;
    }
  }

  /** Lists the given paths, as far as they exist. */
  async some(paths: readonly string[], { hash }: { readonly hash: boolean }): Promise<GuestEntries> {
    const found: GuestEntries = new Map();
    for (let from = 0; from < paths.length;) {
      const only = fitting(paths.slice(from));
      from += only.length;
      const request = { only, ...(hash ? { hashBytes: maxHashedBytes } : {}) };
      for (const [path, entry] of await this.#list(request)) found.set(path, entry);
    }
    return found;
  }

  /** Reads a file of at most `maxBytes`. */
  async read(path: string, maxBytes: number): Promise<{ readonly bytes: Buffer; readonly sha256: string }> {
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of this.stream(path)) {
      length += part.length;
      if (length > maxBytes) throw tooLarge(path, maxBytes);
      parts.push(part);
    }
    const bytes = Buffer.concat(parts, length);
    return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
  }

  async *stream(path: string): AsyncGenerator<Uint8Array, void, undefined> {
    const range = { user: this.#user };
    await using reader = await this.files.read(this.#scope.id, this.at(path), range, { signal: this.#signal });
    yield* reader.bytes;
  }

  /** Unpacks an archive into the folder. */
  async unpack(tar: AsyncIterable<Uint8Array>): Promise<void> {
    await this.files.tarIn(this.#scope.id, this.path, tar, this.#user, { signal: this.#signal });
  }

  async remove(path: string): Promise<void> {
    await this.files.remove(this.#scope.id, this.at(path), this.#user, { signal: this.#signal });
  }

  at(path: string): string {
    return `${this.path}/${path}`;
  }

  async #list(request: ManifestRequest): Promise<GuestEntries> {
    const asked = { user: this.#user, limit: maxEntries, ...request };
    const found: GuestEntries = new Map();
    await using manifest = await this.files.manifest(this.#scope.id, this.path, asked, { signal: this.#signal });
    for await (const entries of manifest) for (const entry of entries) found.set(entry.path, entry);
    return found;
  }
}

/** As many of the paths, from the first on, as one request takes; at least one. */
function fitting(paths: readonly string[]): string[] {
  let bytes = 0;
  const end = paths.findIndex((path, at) => {
    bytes += Buffer.byteLength(path) + 8;
    return bytes > maxRequestBytes && at > 0;
  });
  return end < 0 ? [...paths] : paths.slice(0, end);
}

const tooLarge = (path: string, maxBytes: number): NovaError =>
  new NovaError('host_resource_exhausted', `${path} in the guest is larger than ${maxBytes} bytes.`);
