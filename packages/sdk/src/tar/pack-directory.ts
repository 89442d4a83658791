import { constants, type Stats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { NovaError } from '@novasandbox/protocol';
import { blockSize, encodeHeader, type TarHeader } from './header.ts';
import { hostFileError } from './host-file-error.ts';
import { padding } from './read-tar.ts';

/** Should a link or a pipe have taken the place of a file meanwhile, the one is not followed and the other not waited for. */
const asItWasSeen = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const separator = Buffer.from('/');

/** What is left out of an archive, and why. */
export type OnSkipped = (skipped: { readonly path: string; readonly reason: string }) => void;

/**
 * A directory's contents as a tar stream, names relative to it. Links are kept as links; sockets, pipes and devices are left out, and told. Files
 * that change meanwhile are cut or filled with zeros to the size they had: an archive cannot take a size back.
 */
export async function* packDirectory(
  directory: string,
  onSkipped: OnSkipped = () => undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* packBelow(Buffer.from(directory), '', onSkipped);
  } catch (error) {
    throw hostFileError(error);
  }
  yield new Uint8Array(2 * blockSize);
}

async function* packBelow(
  directory: Buffer,
  prefix: string,
  onSkipped: OnSkipped,
): AsyncGenerator<Uint8Array, void, undefined> {
  const names = await readdir(directory, { encoding: 'buffer' });
  for (const name of names.sort((a, b) => a.compare(b))) {
    const onDisk = Buffer.concat([directory, separator, name]);
    const path = prefix + name.toString('latin1');
    const found = await lstat(onDisk);
    const common = { mode: found.mode & 0o7777, modifiedSeconds: found.mtimeMs / 1000, size: 0, linkTarget: '' };
    if (found.isDirectory()) {
      yield* header({ ...common, path: `${path}/`, typeFlag: '5' });
      yield* packBelow(onDisk, `${path}/`, onSkipped);
    } else if (found.isSymbolicLink()) {
      const target = await readlink(onDisk, { encoding: 'buffer' });
      yield* header({ ...common, path, typeFlag: '2', linkTarget: target.toString('latin1') });
    } else if (found.isFile()) {
      yield* header({ ...common, path, typeFlag: '0', size: found.size });
      yield* contents(onDisk, found.size);
    } else {
      onSkipped({ path: prefix + name.toString(), reason: `it is ${kindOf(found)}` });
    }
  }
}

function kindOf(found: Stats): string {
  if (found.isSocket()) return 'a socket';
  return found.isFIFO() ? 'a named pipe' : 'a device';
}

async function* contents(path: Buffer, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  let left = size;
  if (size > 0) {
    await using file = await open(path, asItWasSeen);
    if (!(await file.stat()).isFile())
      throw new NovaError('file_not_found', `On the host: ${path.toString()} is no file any more.`);
    for await (const part of file.createReadStream({ end: size - 1, highWaterMark: 262_144 })) {
      const bytes = part as Buffer;
      left -= bytes.length;
      yield bytes;
    }
  }
  for (left += padding(size); left > 0; left -= blockSize) yield new Uint8Array(Math.min(left, blockSize));
}

/** A header, after a pax record with whatever does not fit into it. */
function* header(entry: TarHeader): Generator<Uint8Array, void, undefined> {
  const records = [
    ...(entry.path.length > 100 ? [record('path', entry.path)] : []),
    ...(entry.linkTarget.length > 100 ? [record('linkpath', entry.linkTarget)] : []),
    ...(entry.size > 0o77777777777 ? [record('size', String(entry.size))] : []),
  ].join('');
  if (records !== '') {
    const bytes = Buffer.from(records, 'latin1');
    yield encodeHeader({ ...entry, path: 'PaxHeader', linkTarget: '', typeFlag: 'x', size: bytes.length });
    yield bytes;
    yield new Uint8Array(padding(bytes.length));
  }
  yield encodeHeader(entry);
}

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}
