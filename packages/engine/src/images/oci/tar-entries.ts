import { invalidImage } from './manifest.ts';
import { blockBytes, readHeader, type TarHeader } from './tar-header.ts';

/** An entry of an archive with everything that pax and GNU tar say of it. */
export interface TarEntry extends TarHeader {
  /** Where its content begins in the archive, bytes. */
  readonly offset: number;
  /** The pax records of its extended attributes, as they stand there; null where it has none. */
  readonly attributes: Buffer | null;
}

/** Names, links and attributes of one entry. Linux allows 64 KiB for each attribute and 4 KiB for a path. */
const largestMeta = 1 << 20;

/** The extended attributes that are kept: capabilities, access lists, and those of users. */
const keptAttribute = /^SCHILY\.xattr\.(?:security\.capability$|system\.posix_acl_(?:access|default)$|user\.)/;

/**
 * Reads the headers of an archive as its bytes pass by. Contents are passed over: entries say where they are.
 *
 * Libraries for tar decode names and attributes as UTF-8, or drop attributes, and so change images: capabilities are
 * binary, and names are bytes.
 */
export class TarEntries {
  readonly #onEntry: (entry: TarEntry) => void;
  readonly #block = Buffer.alloc(blockBytes);
  #blockLength = 0;
  #position = 0;
  /** Bytes of content and padding that are still to come. */
  #toSkip = 0;
  /** Content of a header that describes the next entry. */
  #meta: { readonly type: string; readonly size: number; readonly parts: Buffer[]; missing: number } | null = null;
  #pax = new Map<string, Buffer>();
  #attributes: Buffer[] = [];
  #longName: string | null = null;
  #longLink: string | null = null;
  #isOver = false;

  constructor(onEntry: (entry: TarEntry) => void) {
    this.#onEntry = onEntry;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#isOver) {
      if (this.#meta !== null && this.#meta.missing > 0) {
        const part = chunk.subarray(at, at + this.#meta.missing);
        this.#meta.parts.push(Buffer.from(part));
        this.#meta.missing -= part.length;
        at += part.length;
        this.#position += part.length;
        if (this.#meta.missing === 0) this.#takeMeta();
      } else if (this.#toSkip > 0) {
        const skipped = Math.min(this.#toSkip, chunk.length - at);
        this.#toSkip -= skipped;
        this.#position += skipped;
        at += skipped;
      } else {
        const copied = chunk.copy(this.#block, this.#blockLength, at, at + blockBytes - this.#blockLength);
        this.#blockLength += copied;
        this.#position += copied;
        at += copied;
        if (this.#blockLength === blockBytes) this.#takeBlock();
      }
    }
  }

  /** To be called after the last chunk. An archive may end without the blocks of zeros, but not within an entry. */
  end(): void {
    if (!this.#isOver && (this.#toSkip > 0 || this.#blockLength > 0 || this.#meta !== null))
      throw invalidImage('a layer ends within a file');
  }

  #takeBlock(): void {
    this.#blockLength = 0;
    const header = readHeader(this.#block);
    if (header === null) {
      this.#isOver = true;
      return;
    }
    const { type, size } = header;
    if (size < 0) throw invalidImage('a layer has a file of negative size');
    if ('xgLK'.includes(type)) {
      if (size > largestMeta) throw invalidImage('a layer has a name or attributes that are too long');
      this.#meta = { type, size, parts: [], missing: size };
      if (size === 0) this.#takeMeta();
      return;
    }
    this.#takeEntry(header);
  }

  #takeEntry(header: TarHeader): void {
    const pax = (key: string): number | undefined => {
      const value = this.#pax.get(key)?.toString('latin1');
      if (value === undefined) return undefined;
      const number = Math.floor(Number(value));
      if (!Number.isSafeInteger(number)) throw invalidImage(`a layer has a wrong number (${key})`);
      return number;
    };
    const name = this.#pax.get('path')?.toString('latin1') ?? this.#longName ?? header.name;
    const link = this.#pax.get('linkpath')?.toString('latin1') ?? this.#longLink ?? header.link;
    for (const key of this.#pax.keys())
      if (key.startsWith('GNU.sparse.')) throw invalidImage('a layer has a sparse file, which no image may have');
    if (header.type === 'S') throw invalidImage('a layer has a sparse file, which no image may have');
    // Programs before POSIX marked a folder by the end of its name.
    const isFile = header.type === '0' || header.type === '\0' || header.type === '7';
    const type = isFile ? (name.endsWith('/') ? '5' : '0') : header.type;
    const declared = pax('size') ?? header.size;
    if (declared < 0) throw invalidImage('a layer has a file of negative size');
    // Only files have content, whatever the header of a link or folder says of its size.
    const size = type === '0' ? declared : 0;
    const attributes = this.#attributes.length === 0 ? null : Buffer.concat(this.#attributes);
    const entry = {
      ...{ type, name, link, size, attributes, offset: this.#position, major: header.major, minor: header.minor },
      mode: header.mode & 0o7777,
      uid: pax('uid') ?? header.uid,
      gid: pax('gid') ?? header.gid,
      mtime: pax('mtime') ?? header.mtime,
    };
    this.#toSkip = Math.ceil(size / blockBytes) * blockBytes;
    this.#pax = new Map();
    this.#attributes = [];
    this.#longName = null;
    this.#longLink = null;
    this.#onEntry(entry);
  }

  #takeMeta(): void {
    const meta = this.#meta;
    if (meta === null) return;
    this.#meta = null;
    this.#toSkip = Math.ceil(meta.size / blockBytes) * blockBytes - meta.size;
    const content = Buffer.concat(meta.parts);
    // A global header says nothing that matters to a file system, such as the commit that an archive was made of.
    if (meta.type === 'x') this.#takeRecords(content);
    else if (meta.type === 'L') this.#longName = untilNul(content);
    else if (meta.type === 'K') this.#longLink = untilNul(content);
  }

  /**
   * Records are `length key=value\n`. Values may hold any byte, also line ends, so only the length says where one ends.
   */
  #takeRecords(content: Buffer): void {
    for (let at = 0; at < content.length;) {
      const space = content.indexOf(0x20, at);
      const length = space < 0 ? Number.NaN : Number(content.toString('latin1', at, space));
      const equals = content.indexOf(0x3d, space);
      const end = at + length;
      if (
        !Number.isSafeInteger(length) ||
        equals < 0 ||
        equals >= end ||
        end > content.length ||
        content[end - 1] !== 0x0a
      )
        throw invalidImage('a layer has attributes that cannot be read');
      const key = content.toString('latin1', space + 1, equals);
      if (keptAttribute.test(key)) this.#attributes.push(Buffer.from(content.subarray(at, end)));
      else if (!key.startsWith('SCHILY.') && !key.startsWith('LIBARCHIVE.'))
        this.#pax.set(key, Buffer.from(content.subarray(equals + 1, end - 1)));
      at = end;
    }
  }
}

function untilNul(content: Buffer): string {
  const end = content.indexOf(0);
  return content.toString('latin1', 0, end < 0 ? content.length : end);
}
