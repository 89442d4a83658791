import { ByteCursor } from './byte-cursor.ts';
import { blockSize, decodeHeader, malformed, type TarHeader } from './header.ts';
import { damagedMap, readMap, type Piece } from './sparse.ts';

export type TarEntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'other';

/** An entry of an archive. Names are byte strings, one character per byte. None of this can be trusted. */
export interface TarEntry {
  readonly path: string;
  readonly type: TarEntryType;
  readonly size: number;
  readonly mode: number;
  readonly modifiedSeconds: number;
  readonly linkTarget: string;
  /**
   * For a file with holes: its full size, and where its data lies. `body` holds only the data, of which the entry's
   * `size` is the length.
   */
  readonly sparse: { readonly size: number; readonly pieces: readonly Piece[] } | null;
  /** Contents of a file; the unread rest is skipped when the next entry is requested. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Limit of an extended header or long name: they have to be held in memory. */
const maxExtensionBytes = 65_536;
/** Limit of extended headers before one entry: an endless chain would keep the reader busy for nothing. */
const maxExtensions = 16;

const types: Readonly<Record<string, TarEntryType>> = {
  '0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
  '3': 'other',
  '4': 'other',
  '6': 'other',
};

interface Extensions {
  path?: string;
  linkTarget?: string;
  size?: number;
  modifiedSeconds?: number;
  sparse?: string;
  sparseSize?: number;
  sparsePath?: string;
}

/** Reads a tar stream (ustar, pax, GNU long names) from a source that may be hostile: buffers have fixed bounds. */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void, undefined> {
  const cursor = new ByteCursor(source);
  try {
    let extensions: Extensions = {};
    for (let extensionCount = 0; ;) {
      const block = await cursor.take(blockSize);
      const header = block === null ? null : decodeHeader(block);
      if (header === null) {
        await cursor.drain();
        return;
      }
      if ('xgLK'.includes(header.typeFlag)) {
        extensionCount += 1;
        if (extensionCount > maxExtensions) throw malformed('too many extended headers in a row');
        extensions = { ...extensions, ...(await readExtension(cursor, header)) };
        continue;
      }
      yield* readEntry(cursor, header, extensions);
      extensions = {};
      extensionCount = 0;
    }
  } finally {
    await cursor.close();
  }
}

async function* readEntry(cursor: ByteCursor, header: TarHeader, extensions: Extensions): AsyncGenerator<TarEntry> {
  const type = types[header.typeFlag];
  if (type === undefined) throw malformed(`an entry of the unknown type ${JSON.stringify(header.typeFlag)}`);
  const stored = type === 'file' ? (extensions.size ?? header.size) : 0;
  const sparse = type === 'file' ? await sparseOf(cursor, extensions, stored) : null;
  const mapBytes = sparse?.mapBytes ?? 0;
  const size = stored - mapBytes;
  let read = 0;
  async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const part of cursor.parts(size - read)) {
      read += part.length;
      yield part;
    }
  }
  // A sender pads according to the size it has announced.
  const announced = type === 'file' ? stored : header.size;
  yield {
    path: extensions.sparsePath ?? extensions.path ?? header.path,
    type,
    size,
    sparse,
    mode: header.mode,
    modifiedSeconds: extensions.modifiedSeconds ?? header.modifiedSeconds,
    linkTarget: extensions.linkTarget ?? header.linkTarget,
    body: body(),
  };
  // Some tar programs set a size for links although no data follows.
  const follows = type === 'hardlink' || type === 'symlink' ? 0 : announced;
  await cursor.skip(follows - mapBytes - read + padding(follows));
}

async function sparseOf(
  cursor: ByteCursor,
  { sparse, sparseSize }: Extensions,
  stored: number,
): Promise<{ readonly size: number; readonly pieces: readonly Piece[]; readonly mapBytes: number } | null> {
  if (sparse === undefined && sparseSize === undefined) return null;
  if (sparse !== '1.0' || sparseSize === undefined) throw unsupportedHoles();
  const { pieces, mapBytes } = await readMap(() => cursor.take(blockSize), sparseSize);
  const data = pieces.reduce((sum, { length }) => sum + length, 0);
  if (mapBytes + data !== stored) throw damagedMap();
  return { size: sparseSize, pieces, mapBytes };
}

async function readExtension(cursor: ByteCursor, header: TarHeader): Promise<Extensions> {
  if (header.size > maxExtensionBytes) throw malformed(`an extended header of ${header.size} bytes`);
  const bytes = header.size === 0 ? new Uint8Array(0) : await cursor.take(header.size);
  await cursor.skip(padding(header.size));
  const content = Buffer.from(bytes ?? []).toString('latin1');
  // A global header applies to all entries that follow; its values (comments, defaults) are of no use here.
  if (header.typeFlag === 'g') return {};
  if (header.typeFlag === 'L') return { path: withoutNul(content) };
  if (header.typeFlag === 'K') return { linkTarget: withoutNul(content) };
  return parsePax(content);
}

/** Parses pax records: `<length> <key>=<value>\n`, where the length counts the whole record. */
function parsePax(content: string): Extensions {
  const found: Extensions = {};
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(' ', at);
    const length = Number(content.slice(at, space));
    if (space < 0 || !Number.isInteger(length) || length < space - at + 3 || at + length > content.length) {
      throw malformed('a malformed extended header');
    }
    const record = content.slice(space + 1, at + length - 1);
    at += length;
    const equals = record.indexOf('=');
    const value = record.slice(equals + 1);
    switch (equals < 0 ? '' : record.slice(0, equals)) {
      case 'path':
        found.path = value;
        break;
      case 'linkpath':
        found.linkTarget = value;
        break;
      case 'size':
        if (!/^[0-9]{1,15}$/.test(value)) throw malformed('an invalid size');
        found.size = Number(value);
        break;
      case 'mtime':
        if (/^-?[0-9]{1,12}(\.[0-9]+)?$/.test(value)) found.modifiedSeconds = Number(value);
        break;
      case 'GNU.sparse.name':
        found.sparsePath = value;
        break;
      case 'GNU.sparse.realsize':
        if (!/^[0-9]{1,15}$/.test(value)) throw malformed('an invalid size');
        found.sparseSize = Number(value);
        break;
      case 'GNU.sparse.major':
        found.sparse = `${value}.${found.sparse?.split('.')[1] ?? '0'}`;
        break;
      case 'GNU.sparse.minor':
        found.sparse = `${found.sparse?.split('.')[0] ?? '0'}.${value}`;
        break;
      default:
        if (record.startsWith('GNU.sparse.')) throw unsupportedHoles();
    }
  }
  return found;
}

function withoutNul(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** Number of bytes that fill the last block of `size` bytes. */
export function padding(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize;
}

const unsupportedHoles = () => malformed('a file with holes in an unsupported form');
