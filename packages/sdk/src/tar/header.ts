import { NovaError } from '@novasandbox/protocol';

/** Size of a tar block: a header takes one block, and contents are padded to whole blocks. */
export const blockSize = 512;

/** One 512-byte header. Names are byte strings, one character per byte, since a guest's names need not be UTF-8. */
export interface TarHeader {
  readonly path: string;
  readonly linkTarget: string;
  readonly typeFlag: string;
  readonly size: number;
  readonly mode: number;
  readonly modifiedSeconds: number;
}

/** Reads a header; null for a block of zeros, which ends an archive. */
export function decodeHeader(block: Uint8Array): TarHeader | null {
  if (block.every((byte) => byte === 0)) return null;
  const stored = readNumber(block, 148, 8);
  let sum = 0;
  for (let at = 0; at < blockSize; at += 1) sum += at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
  if (stored !== sum) throw malformed('a header with a wrong checksum');
  const prefix = text(block, 257, 5) === 'ustar' && block[262] === 0 ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    linkTarget: text(block, 157, 100),
    typeFlag: block[156] === 0 ? '0' : String.fromCharCode(block[156] ?? 0),
    size: readNumber(block, 124, 12),
    mode: readNumber(block, 100, 8) & 0o7777,
    modifiedSeconds: readNumber(block, 136, 12),
  };
}

/** Writes a header. `path` and `linkTarget` are cut to fit; a preceding pax record carries the full values. */
export function encodeHeader(header: TarHeader): Uint8Array {
  const block = new Uint8Array(blockSize);
  const put = (value: string, at: number, length: number): void => {
    block.set(Buffer.from(value, 'latin1').subarray(0, length), at);
  };
  const octal = (value: number, at: number, length: number): void => {
    put(`${value.toString(8).padStart(length - 1, '0')}\0`, at, length);
  };
  put(header.path, 0, 100);
  octal(header.mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(Math.min(header.size, 0o77777777777), 124, 12);
  octal(Math.min(Math.max(Math.floor(header.modifiedSeconds), 0), 0o77777777777), 136, 12);
  put(header.typeFlag, 156, 1);
  put(header.linkTarget, 157, 100);
  put('ustar\x0000', 257, 8);
  put('        ', 148, 8);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8);
  return block;
}

/** The error for an archive that no real tar would write. */
export function malformed(what: string): NovaError {
  return new NovaError('guest_protocol_error', `The archive from the guest holds ${what}.`);
}

function text(block: Uint8Array, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString('latin1');
}

/** Reads octal text, or GNU's base-256 form for numbers that do not fit. */
function readNumber(block: Uint8Array, at: number, length: number): number {
  if (((block[at] ?? 0) & 0x80) !== 0) {
    let value = (block[at] ?? 0) & 0x7f;
    for (let index = at + 1; index < at + length; index += 1) value = value * 256 + (block[index] ?? 0);
    if (!Number.isSafeInteger(value)) throw malformed('a number out of range');
    return value;
  }
  const digits = text(block, at, length).trim();
  if (digits === '') return 0;
  if (!/^[0-7]+$/.test(digits)) throw malformed('an invalid number');
  return Number.parseInt(digits, 8);
}
