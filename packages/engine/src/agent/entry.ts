import type { Entry } from '@novasandbox/protocol';
import type { Fields } from './record.ts';

const MAX_U32 = 0xffff_ffff;
/** A list of 64 KiB, the most Linux gives, has fewer names. */
const MAX_XATTRS = 16_384;
const MODE_BITS = 0o7777;
const NS_PER_MS = 1_000_000n;
const entryTypes: Readonly<Record<number, Entry['type']>> = { 1: 'file', 2: 'directory', 3: 'symlink', 4: 'other' };

/** An entry record. Throws `guest_protocol_error`. */
export function parseEntry(fields: Fields): Entry {
  const xattrs = fields.records(14, MAX_XATTRS).map((record): [string, string] => [record.string(1), record.string(2)]);
  return {
    name: fields.string(1),
    path: fields.string(2),
    type: entryTypes[fields.integer(3)] ?? 'other',
    size: sizeOf(fields),
    mode: fields.integer(5) & MODE_BITS,
    uid: fields.integerUpTo(6, MAX_U32),
    gid: fields.integerUpTo(7, MAX_U32),
    owner: fields.string(8),
    group: fields.string(9),
    modifiedAt: timeOf(fields),
    symlinkTarget: fields.flag(12) ? fields.string(11) : null,
    ...(xattrs.length === 0 ? {} : { xattrs: Object.fromEntries(xattrs) }),
  };
}

/** Sparse files of tmpfs reach 2^63 bytes in honest guests: what a number cannot hold is given as the most it can. */
function sizeOf(fields: Fields): number {
  const size = fields.bigint(4);
  return size > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(size);
}

/** Files may be older than 1970: the nanoseconds are two's complement. 64 bits of them never leave the range of a Date. */
function timeOf(fields: Fields): string {
  return new Date(Number(BigInt.asIntN(64, fields.bigint(10)) / NS_PER_MS)).toISOString();
}
