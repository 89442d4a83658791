import { constants, type BigIntStats } from 'node:fs';
import { lstat, open, readdir, readlink, stat, type FileHandle } from 'node:fs/promises';
import { NovaError } from '@novasandbox/protocol';
import { blockSize, encodeHeader, type TarHeader } from './header.ts';
import { hostFileError } from './host-file-error.ts';
import { padding } from './read-tar.ts';
import { encodeMap, piecesOf, type Piece } from './sparse.ts';

/** Limit of the hard-linked files that are remembered. */
const maxLinks = 65_536;

/** If a link or a pipe has meanwhile taken the place of a file, a link is not followed and a pipe does not block. */
const asItWasSeen = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const separator = Buffer.from('/');

/** Called for each file that an archive leaves out, with the reason. */
export type OnSkipped = (skipped: { readonly path: string; readonly reason: string }) => void;

/**
 * Packs a directory's contents as a tar stream with relative names. Links stay links; sockets, pipes and devices are
 * left out and reported. A file that changes meanwhile is cut, or filled with zeros, to the size it had: the header
 * with the size has already been sent.
 */
export async function* packDirectory(
  directory: string,
  onSkipped: OnSkipped = () => undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* packBelow(Buffer.from(directory), '', new Map(), onSkipped);
  } catch (error) {
    throw hostFileError(error);
  }
  yield new Uint8Array(2 * blockSize);
}

/** Packs one file as an archive under the given name. A link is followed. */
export async function* packFile(path: string, name: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    const found = await stat(path, { bigint: true });
    const entry = { path: Buffer.from(name).toString('latin1'), mode: Number(found.mode & 0o777n), linkTarget: '' };
    yield* packContents(Buffer.from(path), { ...entry, ...timesOf(found), typeFlag: '0', size: 0 }, found, 0);
  } catch (error) {
    throw hostFileError(error);
  }
  yield new Uint8Array(2 * blockSize);
}

/** `links` holds the first name of each file that has several. */
async function* packBelow(
  directory: Buffer,
  prefix: string,
  links: Map<string, string>,
  onSkipped: OnSkipped,
): AsyncGenerator<Uint8Array, void, undefined> {
  const names = await readdir(directory, { encoding: 'buffer' });
  for (const name of names.sort((a, b) => a.compare(b))) {
    const onDisk = Buffer.concat([directory, separator, name]);
    const path = prefix + name.toString('latin1');
    const found = await lstat(onDisk, { bigint: true });
    const common = { mode: Number(found.mode & 0o7777n), ...timesOf(found), size: 0, linkTarget: '' };
    if (found.isDirectory()) {
      yield* header({ ...common, path: `${path}/`, typeFlag: '5' });
      yield* packBelow(onDisk, `${path}/`, links, onSkipped);
    } else if (found.isSymbolicLink()) {
      const target = await readlink(onDisk, { encoding: 'buffer' });
      yield* header({ ...common, path, typeFlag: '2', linkTarget: target.toString('latin1') });
    } else if (found.isFile()) {
      const identity = `${found.dev}:${found.ino}`;
      const first = links.get(identity);
      if (first !== undefined) {
        yield* header({ ...common, path, typeFlag: '1', linkTarget: first });
        continue;
      }
      if (found.nlink > 1n && links.size < maxLinks) links.set(identity, path);
      yield* packContents(onDisk, { ...common, path, typeFlag: '0' }, found, constants.O_NOFOLLOW);
    } else {
      onSkipped({ path: prefix + name.toString(), reason: `it is ${kindOf(found)}` });
    }
  }
}

function kindOf(found: BigIntStats): string {
  if (found.isSocket()) return 'a socket';
  return found.isFIFO() ? 'a named pipe' : 'a device';
}

function timesOf(found: BigIntStats): { readonly modifiedSeconds: number; readonly modified: string } {
  const [ns, second] = [found.mtimeNs, 1_000_000_000n];
  const [whole, rest] = [(ns < 0n ? -ns : ns) / second, (ns < 0n ? -ns : ns) % second];
  const fraction = rest === 0n ? '' : `.${String(rest).padStart(9, '0')}`;
  return { modifiedSeconds: Number(ns / second), modified: `${ns < 0n ? '-' : ''}${whole}${fraction}` };
}

/**
 * Yields header and contents of a file. A file that takes less disk space than its size has holes, which are left out.
 */
async function* packContents(
  path: Buffer,
  entry: Entry,
  found: BigIntStats,
  flags: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const size = Number(found.size);
  const hasHoles = found.blocks * 512n < found.size;
  if (!hasHoles) yield* header({ ...entry, size });
  if (size === 0) return;
  await using file = await open(path, asItWasSeen | flags);
  if (!(await file.stat()).isFile())
    throw new NovaError('file_not_found', `On the host: ${path.toString()} is not a file any more.`);
  if (!hasHoles) {
    yield* contents(file, [{ at: 0, length: size }], size);
    return;
  }
  const pieces = await piecesOf(file, size);
  const map = encodeMap(pieces);
  const stored = pieces.reduce((sum, { length }) => sum + length, map.length);
  yield* header({ ...entry, size: stored, realSize: size });
  yield map;
  yield* contents(file, pieces, stored);
}

async function* contents(
  file: FileHandle,
  pieces: readonly Piece[],
  stored: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const { at, length } of pieces) {
    for (let done = 0; done < length;) {
      const buffer = Buffer.alloc(Math.min(262_144, length - done));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at + done);
      // The file has shrunk, so the missing part is filled with zeros.
      const count = bytesRead === 0 ? buffer.length : bytesRead;
      done += count;
      yield buffer.subarray(0, count);
    }
  }
  yield new Uint8Array(padding(stored));
}

export interface Entry extends TarHeader {
  /** Modification time with all its digits. */
  readonly modified: string;
  /** Full size of a file with holes; `size` is then the number of bytes stored. */
  readonly realSize?: number;
}

/** A header as it is written, with all that precedes it. */
export const tarHeader = (entry: Entry): Uint8Array => Buffer.concat([...header(entry)]);

/** Yields a header, preceded by a pax record for values that do not fit into it. */
function* header(entry: Entry): Generator<Uint8Array, void, undefined> {
  const { realSize } = entry;
  const records = [
    ...(realSize === undefined
      ? entry.path.length > 100
        ? [record('path', entry.path)]
        : []
      : [
          record('GNU.sparse.major', '1'),
          record('GNU.sparse.minor', '0'),
          record('GNU.sparse.name', entry.path),
          record('GNU.sparse.realsize', String(realSize)),
        ]),
    ...(/[.-]/.test(entry.modified) ? [record('mtime', entry.modified)] : []),
    ...(entry.linkTarget.length > 100 ? [record('linkpath', entry.linkTarget)] : []),
    ...(entry.size > 0o77777777777 ? [record('size', String(entry.size))] : []),
  ].join('');
  if (records !== '') {
    const bytes = Buffer.from(records, 'latin1');
    yield encodeHeader({ ...entry, path: 'PaxHeader', linkTarget: '', typeFlag: 'x', size: bytes.length });
    yield bytes;
    yield new Uint8Array(padding(bytes.length));
  }
  // Programs that do not support sparse files unpack it under this name.
  const path = realSize === undefined ? entry.path : `GNUSparseFile.0/${entry.path.slice(-80).replace(/^.*\//, '')}`;
  yield encodeHeader({ ...entry, path });
}

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}
