import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { blockSize } from '../../tar/header.ts';
import { hostFileError } from '../../tar/host-file-error.ts';
import { tarHeader } from '../../tar/pack-directory.ts';
import { padding } from '../../tar/read-tar.ts';
import type { HostEntry } from './host-entry.ts';
import { asItWasSeen, readAtOnce, sha256Of } from './read-file.ts';
import { secretContent } from './secrets.ts';

/** Smaller files are read at once: three calls that wait for a thread each would take longer than the reading. */
const atOnceBytes = 256 * 1024;
/** The size of what is handed on: many small pieces would cost a frame each on the way to the guest. */
const pieceBytes = 256 * 1024;

/** The outcome for an entry. */
export interface Packed {
  readonly entry: HostEntry;
  readonly sha256: string | null;
  /** The content of a small file; null for others, and for what is no file. */
  readonly content: Buffer | null;
}

export interface PackOptions {
  /** Whether small files are searched for private keys. */
  readonly searchKeys: boolean;
  readonly onPacked: (packed: Packed) => void;
  readonly onLeftOut: (entry: HostEntry, reason: string, kind: 'secret' | 'unreadable') => void;
}

/**
 * Packs entries of a folder as a tar archive, in pieces of equal size. A file that has gone, or that cannot be read, is
 * left out; one that changes meanwhile is packed as it is found, and its version tells later that it has changed.
 */
export async function* packEntries(
  top: string,
  entries: readonly HostEntry[],
  options: PackOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pieces = new Pieces();
  try {
    for (const entry of entries) {
      if (entry.type !== 'file') {
        pieces.add(headerOf(entry, 0));
        options.onPacked({ entry, sha256: null, content: null });
      } else if (entry.size <= atOnceBytes) {
        const content = readAtOnce(join(top, entry.path));
        if (content === null) {
          options.onLeftOut(entry, 'it cannot be read', 'unreadable');
          continue;
        }
        const secret = options.searchKeys ? secretContent(entry.path, content.toString('latin1', 0, 4096)) : null;
        if (secret !== null) {
          options.onLeftOut(entry, secret, 'secret');
          continue;
        }
        pieces.add(headerOf(entry, content.length));
        pieces.add(content);
        pieces.add(new Uint8Array(padding(content.length)));
        options.onPacked({ entry, sha256: sha256Of(content), content });
      } else {
        yield* packLarge(top, entry, pieces, options);
      }
      yield* pieces.full();
    }
    pieces.add(new Uint8Array(2 * blockSize));
    yield* pieces.rest();
  } catch (error) {
    throw hostFileError(error);
  }
}

async function* packLarge(
  top: string,
  entry: HostEntry,
  pieces: Pieces,
  { onPacked, onLeftOut }: PackOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const opened = await open(join(top, entry.path), asItWasSeen).catch(() => null);
  if (opened === null) return onLeftOut(entry, 'it cannot be read', 'unreadable');
  await using file = opened;
  const found = await file.stat();
  if (!found.isFile()) return onLeftOut(entry, 'it is not a file any more', 'unreadable');
  const { size } = found;
  const sum = createHash('sha256');
  pieces.add(headerOf(entry, size));
  for (let done = 0; done < size;) {
    const buffer = Buffer.alloc(Math.min(pieceBytes, size - done));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, done);
    // A file that has shrunk is filled up with zeros, because its size was sent already.
    const part = bytesRead === 0 ? buffer : buffer.subarray(0, bytesRead);
    done += part.length;
    sum.update(part);
    pieces.add(part);
    yield* pieces.full();
  }
  pieces.add(new Uint8Array(padding(size)));
  onPacked({ entry: { ...entry, size }, sha256: sum.digest('hex'), content: null });
}

function headerOf(entry: HostEntry, size: number): Uint8Array {
  const latin1 = (text: string): string => Buffer.from(text).toString('latin1');
  const path = latin1(entry.path);
  return tarHeader({
    path: entry.type === 'directory' ? `${path}/` : path,
    typeFlag: entry.type === 'directory' ? '5' : entry.type === 'symlink' ? '2' : '0',
    mode: entry.mode,
    size,
    linkTarget: latin1(entry.link ?? ''),
    // Whole seconds: a fraction would take a block of a thousand bytes for each file.
    modifiedSeconds: entry.mtimeSeconds,
    modified: String(entry.mtimeSeconds),
  });
}

/** Gathers small pieces. */
class Pieces {
  #parts: Uint8Array[] = [];
  #bytes = 0;

  add(part: Uint8Array): void {
    this.#parts.push(part);
    this.#bytes += part.length;
  }

  *full(): Generator<Uint8Array, void, undefined> {
    if (this.#bytes >= pieceBytes) yield* this.rest();
  }

  *rest(): Generator<Uint8Array, void, undefined> {
    const piece = Buffer.concat(this.#parts, this.#bytes);
    this.#parts = [];
    this.#bytes = 0;
    if (piece.length > 0) yield piece;
  }
}
