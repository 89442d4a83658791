import type { ManifestEntry } from '@novasandbox/protocol';
import type { CallOptions, Manifest, ManifestRequest } from '../ports/guest-agent.ts';
import { download } from './download.ts';
import { entryTypes } from './entry.ts';
import { protocolError } from './errors.ts';
import { methods, tags } from './numbers.ts';
import { Fields, RecordWriter } from './record.ts';
import type { Session } from './session.ts';

/** The agent lists trees of at most 1024 levels, whose names have at most 255 bytes. */
const MAX_ENTRY_BYTES = 512 * 1024;
const DEFAULT_LIMIT = 1_000_000;
const LENGTH_BYTES = 4;
const DIGEST_BYTES = 32;
const MODE_BITS = 0o7777;
const NS_PER_MS = 1_000_000n;

/**
 * Lists the tree below a directory. Resolves at the first entries. Rejects with `file_not_found`, `not_a_directory`,
 * and `guest_resource_exhausted` above the limit.
 */
export async function manifest(
  session: Session,
  path: string,
  request: ManifestRequest,
  options?: CallOptions,
): Promise<Manifest> {
  const skip = request.skip ?? [];
  const args = new RecordWriter()
    .string(tags.manifest.path, path)
    .string(tags.manifest.user, request.user)
    .strings(tags.manifest.skipPath, skip.filter(isPath).map(withoutSlashes))
    .strings(
      tags.manifest.skipName,
      skip.filter((each) => !isPath(each)),
    )
    .strings(tags.manifest.only, request.only)
    .integer(tags.manifest.hashBytes, request.hashBytes)
    .integer(tags.manifest.limit, request.limit);
  const opening = { message: null, countTag: tags.manifestResult.bytes };
  const { bytes } = await download(session, methods.manifest, args, opening, options);
  const entries = decode(bytes, request.limit ?? DEFAULT_LIMIT);
  return {
    [Symbol.asyncIterator]: () => entries,
    [Symbol.asyncDispose]: () => bytes[Symbol.asyncDispose](),
  };
}

const isPath = (skipped: string): boolean => skipped.includes('/');
const withoutSlashes = (path: string): string => path.replaceAll(/^\/+|\/+$/g, '');

/** Yields the entries of each piece that arrives. An entry that a piece cuts waits for the next one. */
async function* decode(
  pieces: AsyncIterable<Uint8Array>,
  limit: number,
): AsyncGenerator<readonly ManifestEntry[], void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  let count = 0;
  for await (const piece of pieces) {
    const buffer = rest.length === 0 ? Buffer.from(piece) : Buffer.concat([rest, piece]);
    const entries: ManifestEntry[] = [];
    let at = 0;
    while (buffer.length - at >= LENGTH_BYTES) {
      const length = buffer.readUInt32LE(at);
      if (length > MAX_ENTRY_BYTES) throw protocolError(`an entry of ${length} bytes`);
      const end = at + LENGTH_BYTES + length;
      if (end > buffer.length) break;
      // A record of no bytes is a sign of life.
      if (length > 0) entries.push(parseManifestEntry(new Fields(buffer.subarray(at + LENGTH_BYTES, end))));
      at = end;
    }
    rest = buffer.subarray(at);
    count += entries.length;
    if (count > limit) throw protocolError(`more than the ${limit} entries asked for`);
    if (entries.length > 0) yield entries;
  }
  if (rest.length > 0) throw protocolError('a listing that ends inside an entry');
}

function parseManifestEntry(fields: Fields): ManifestEntry {
  const tag = tags.manifestEntry;
  const modifiedNs = BigInt.asIntN(64, fields.bigint(tag.modifiedNs));
  const changedNs = BigInt.asIntN(64, fields.bigint(tag.changedNs));
  const size = fields.bigint(tag.size);
  const type = entryTypes.get(fields.integer(tag.type)) ?? 'other';
  const digest = fields.bytes(tag.sha256);
  if (digest.length !== 0 && digest.length !== DIGEST_BYTES) throw protocolError('a digest has not 32 bytes');
  return {
    path: relativePath(fields.string(tag.path)),
    type,
    mode: fields.integer(tag.mode) & MODE_BITS,
    size: size > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(size),
    mtime: timeOf(modifiedNs),
    ctime: timeOf(changedNs),
    version: `${fields.bigint(tag.inode)}-${size}-${modifiedNs}-${changedNs}`,
    link: type === 'symlink' ? fields.string(tag.link) : null,
    sha256: digest.length === 0 ? null : digest.toString('hex'),
  };
}

const timeOf = (ns: bigint): string => new Date(Number(ns / NS_PER_MS)).toISOString();

/** No agent sends a path that leads out of its directory. */
function relativePath(path: string): string {
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..') || path.includes('\0')) {
    throw protocolError('a path that is not below its directory');
  }
  return path;
}
