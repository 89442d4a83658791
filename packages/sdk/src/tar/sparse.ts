import type { FileHandle } from 'node:fs/promises';
import { blockSize, malformed } from './header.ts';

/** Files with holes in an archive: GNU tar's form 1.0, where a map of the data precedes the data. */

export interface Piece {
  readonly at: number;
  readonly length: number;
}

/** Limit of data pieces in one file. The rest of a file with more pieces is packed including its holes. */
const maxPieces = 65_536;
/** Holes begin and end at multiples of this size, as in file systems. */
const block = 4096;
/** Most holes are larger than this, so pieces of this size that are all zeros are skipped at once. */
const stride = 65_536;

/**
 * Finds where the data of a file lies. Node has no call that reports holes, so the file is read: reading a hole costs
 * no disk access, and zeros need not be stored in any case.
 */
export async function piecesOf(file: FileHandle, size: number): Promise<Piece[]> {
  const pieces: Piece[] = [];
  const zeros = Buffer.alloc(stride);
  const buffer = Buffer.alloc(16 * stride);
  let begin: number | null = null;
  for (let at = 0; at < size;) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - at), at);
    if (bytesRead === 0) break;
    const isZero = (from: number, length: number): boolean => {
      const end = Math.min(from + length, bytesRead);
      return buffer.subarray(from, end).equals(zeros.subarray(0, end - from));
    };
    for (let from = 0; from < bytesRead;) {
      const length = isZero(from, stride) ? stride : block;
      if (pieces.length < maxPieces - 1 && (length === stride || isZero(from, block))) {
        if (begin !== null) pieces.push({ at: begin, length: at + from - begin });
        begin = null;
      } else begin ??= at + from;
      from += length;
    }
    at += bytesRead;
  }
  if (begin !== null) pieces.push({ at: begin, length: size - begin });
  // Other programs expect an empty piece after a final hole.
  else pieces.push({ at: size, length: 0 });
  return pieces;
}

export function encodeMap(pieces: readonly Piece[]): Buffer {
  const text = [pieces.length, ...pieces.flatMap(({ at, length }) => [at, length])]
    .map((number) => `${number}\n`)
    .join('');
  const map = Buffer.alloc(Math.ceil(text.length / blockSize) * blockSize);
  map.write(text, 'latin1');
  return map;
}

/**
 * Reads a map and checks that its pieces lie in order within the file. Returns them and the size of the map in bytes.
 */
export async function readMap(
  nextBlock: () => Promise<Uint8Array | null>,
  fileSize: number,
): Promise<{ readonly pieces: readonly Piece[]; readonly mapBytes: number }> {
  let mapBytes = 0;
  let text = '';
  const number = async (): Promise<number> => {
    for (;;) {
      const end = text.indexOf('\n');
      if (end >= 0) {
        const digits = text.slice(0, end);
        text = text.slice(end + 1);
        if (!/^[0-9]{1,16}$/.test(digits)) throw damagedMap();
        return Number(digits);
      }
      if (text.length > 16) throw damagedMap();
      const next = await nextBlock();
      if (next === null) throw damagedMap();
      mapBytes += blockSize;
      text += Buffer.from(next).toString('latin1');
    }
  };
  const count = await number();
  if (count > maxPieces + 1) throw malformed('a file with too many holes');
  const pieces: Piece[] = [];
  let end = 0;
  for (let index = 0; index < count; index += 1) {
    const piece = { at: await number(), length: await number() };
    if (piece.at < end) throw damagedMap();
    end = piece.at + piece.length;
    pieces.push(piece);
  }
  if (end > fileSize) throw damagedMap();
  return { pieces, mapBytes };
}

export const damagedMap = () => malformed('a damaged map of a file with holes');
