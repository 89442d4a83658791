import type { Entry } from '@novasandbox/protocol';
import type { Fields } from './record.ts';
import { fileTypes, tags } from './numbers.ts';

const MAX_U32 = 0xffff_ffff;
/** Linux limits the list of names to 64 KiB, which holds fewer names than this. */
const MAX_XATTRS = 16_384;
const MODE_BITS = 0o7777;
const NS_PER_MS = 1_000_000n;
export const entryTypes: ReadonlyMap<number, Entry['type']> = new Map(
  (['file', 'directory', 'symlink', 'other'] as const).map((type) => [fileTypes[type], type]),
);

/** Reads an entry record. Throws `guest_protocol_error`. */
export function parseEntry(fields: Fields): Entry {
  const xattrs = fields
    .records(tags.entry.xattr, MAX_XATTRS)
    .map((record): [string, string] => [record.string(tags.xattr.name), record.string(tags.xattr.value)]);
  return {
    name: fields.string(tags.entry.name),
    path: fields.string(tags.entry.path),
    type: entryTypes.get(fields.integer(tags.entry.type)) ?? 'other',
    size: sizeOf(fields),
    mode: fields.integer(tags.entry.mode) & MODE_BITS,
    uid: fields.integerUpTo(tags.entry.uid, MAX_U32),
    gid: fields.integerUpTo(tags.entry.gid, MAX_U32),
    owner: fields.string(tags.entry.owner),
    group: fields.string(tags.entry.group),
    modifiedAt: timeOf(fields),
    symlinkTarget: fields.flag(tags.entry.link) ? fields.string(tags.entry.symlinkTarget) : null,
    ...(xattrs.length === 0 ? {} : { xattrs: Object.fromEntries(xattrs) }),
  };
}

/** Limits a size to the largest safe integer: even in honest guests sparse files of tmpfs reach 2^63 bytes. */
function sizeOf(fields: Fields): number {
  const size = fields.bigint(tags.entry.size);
  return size > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(size);
}

/**
 * Reads the time as two's complement, because files may be older than 1970. 64 bits of nanoseconds fit into a Date.
 */
function timeOf(fields: Fields): string {
  return new Date(Number(BigInt.asIntN(64, fields.bigint(tags.entry.modifiedNs)) / NS_PER_MS)).toISOString();
}
