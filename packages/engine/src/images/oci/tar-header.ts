import { invalidImage } from './manifest.ts';

/** Tar consists of blocks of this size, bytes. */
export const blockBytes = 512;

/** Where the fields of a header are: POSIX ustar and, where they differ, GNU tar. */
const at = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  link: [157, 100],
  magic: [257, 8],
  major: [329, 8],
  minor: [337, 8],
  prefix: [345, 155],
} as const;
type FieldName = keyof typeof at;

/** A header as it stands in a block. Names are bytes, one a character (latin1). */
export interface TarHeader {
  readonly type: string;
  readonly name: string;
  readonly link: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
}

/** Reads a header; null for a block of zeros, which ends an archive. */
export function readHeader(block: Buffer): TarHeader | null {
  if (block[0] === 0 && block.every((byte) => byte === 0)) return null;
  const sum = number(block, 'checksum');
  let unsigned = 0;
  let signed = 0;
  for (let index = 0; index < blockBytes; index += 1) {
    const inSum = index >= at.checksum[0] && index < at.checksum[0] + at.checksum[1];
    const byte = inSum ? 0x20 : (block[index] ?? 0);
    unsigned += byte;
    // Some old programs have added signed bytes.
    signed += byte > 127 ? byte - 256 : byte;
  }
  if (sum !== unsigned && sum !== signed) throw invalidImage('a layer is no tar archive, or it is damaged');
  const isPosix = text(block, 'magic').startsWith('ustar') && block[at.magic[0] + 5] === 0;
  const prefix = isPosix ? text(block, 'prefix') : '';
  const name = text(block, 'name');
  return {
    type: String.fromCharCode(block[at.type[0]] ?? 0),
    name: prefix === '' ? name : `${prefix}/${name}`,
    link: text(block, 'link'),
    mode: number(block, 'mode'),
    uid: number(block, 'uid'),
    gid: number(block, 'gid'),
    size: number(block, 'size'),
    mtime: number(block, 'mtime'),
    major: number(block, 'major'),
    minor: number(block, 'minor'),
  };
}

function text(block: Buffer, field: FieldName): string {
  const [start, length] = at[field];
  const end = block.indexOf(0, start);
  return block.toString('latin1', start, end < 0 || end > start + length ? start + length : end);
}

/** Octal digits or, where the first bit is set, a binary number of two's complement. */
function number(block: Buffer, field: FieldName): number {
  const [start, length] = at[field];
  const first = block[start] ?? 0;
  if ((first & 0x80) === 0) {
    const digits = text(block, field).trim();
    if (digits === '') return 0;
    if (!/^[0-7]+$/.test(digits)) throw invalidImage('a layer is no tar archive, or it is damaged');
    return parseInt(digits, 8);
  }
  let value = (first & 0x40) === 0 ? BigInt(first & 0x3f) : BigInt(first | ~0xff);
  for (let index = start + 1; index < start + length; index += 1) value = value * 256n + BigInt(block[index] ?? 0);
  const plain = Number(value);
  if (!Number.isSafeInteger(plain)) throw invalidImage('a layer has a number that is too large');
  return plain;
}

/** Writes the blocks of an entry, in GNU tar's form: long names, as raw bytes, have entries of their own. */
export function writeHeader(header: TarHeader, attributes: Buffer | null): Buffer {
  const blocks: Buffer[] = [];
  if (header.name.length >= at.name[1]) blocks.push(...longName('L', header.name));
  if (header.link.length >= at.link[1]) blocks.push(...longName('K', header.link));
  if (attributes !== null) blocks.push(...entryOf('x', attributes));
  blocks.push(headerBlock(header));
  return Buffer.concat(blocks);
}

const longName = (type: 'K' | 'L', name: string): Buffer[] => entryOf(type, Buffer.from(`${name}\0`, 'latin1'));

function entryOf(type: string, content: Buffer): Buffer[] {
  const name = '././@LongLink';
  const header = {
    name,
    type,
    link: '',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: content.length,
    mtime: 0,
    major: 0,
    minor: 0,
  };
  return [headerBlock(header), content, padding(content.length)];
}

/** The zeros that fill the last block of so many bytes. */
export const padding = (bytes: number): Buffer => Buffer.alloc((blockBytes - (bytes % blockBytes)) % blockBytes);

function headerBlock(header: TarHeader): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.write(header.name, at.name[0], at.name[1], 'latin1');
  block.write(header.link, at.link[0], at.link[1], 'latin1');
  block.write(header.type, at.type[0], 'latin1');
  block.write('ustar  \0', at.magic[0], 'latin1');
  for (const field of ['mode', 'uid', 'gid', 'size', 'mtime', 'major', 'minor'] as const) {
    const [start, length] = at[field];
    putNumber(block, start, length, header[field]);
  }
  block.fill(0x20, at.checksum[0], at.checksum[0] + at.checksum[1]);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, at.checksum[0], 'latin1');
  return block;
}

function putNumber(block: Buffer, start: number, length: number, value: number): void {
  if (value >= 0 && value < 8 ** (length - 1)) {
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, start, 'latin1');
    return;
  }
  let rest = BigInt(value);
  for (let index = start + length - 1; index > start; index -= 1) {
    block[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  block[start] = value < 0 ? 0xff : 0x80;
}
