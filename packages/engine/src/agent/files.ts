import { NovaError, type Entry } from '@novasandbox/protocol';
import type { CallOptions, GuestAgent } from '../ports/guest-agent.ts';
import { call } from './call.ts';
import { parseEntry } from './entry.ts';
import { protocolError } from './errors.ts';
import { messages, methods, tags } from './numbers.ts';
import { RecordWriter, type Fields } from './record.ts';
import type { Session } from './session.ts';

/**
 * Operations on files of the guest that take one request. Paths are absolute; the default user is that of the guest.
 */

const DEFAULT_LIST_LIMIT = 100_000;
/** The most bytes that the entry records of one listing may have: they are held in memory. */
const MAX_LIST_BYTES = 64 * 1024 * 1024;

/** Returns the entry of a file. Rejects with `file_not_found`. */
export async function stat(session: Session, path: string, user?: string, options?: CallOptions): Promise<Entry> {
  const args = new RecordWriter().string(tags.stat.path, path).string(tags.stat.user, user);
  return call(session, methods.stat, args, 'file', parseEntry, options);
}

/**
 * Lists a directory in order of name, depth first. A `depth` of 1 (default) lists only its own entries. Entries
 * beyond `limit` (default 100 000) are left out. Rejects with `file_not_found`, `not_a_directory`, and
 * `guest_resource_exhausted` above 64 MiB of entries.
 */
export async function list(
  session: Session,
  path: string,
  how: Parameters<GuestAgent['list']>[1],
  options?: CallOptions,
): Promise<Entry[]> {
  const limit = how.limit ?? DEFAULT_LIST_LIMIT;
  const args = new RecordWriter()
    .string(tags.listDirectory.path, path)
    .integer(tags.listDirectory.depth, how.depth)
    .string(tags.listDirectory.user, how.user)
    .integer(tags.listDirectory.limit, limit)
    .flag(tags.listDirectory.xattrs, how.xattrs);
  const most = limit === 0 ? DEFAULT_LIST_LIMIT : limit;
  const entries: Entry[] = [];
  let bytes = 0;
  const onMessage = (type: number, fields: Fields, refuse: (error: NovaError) => void): void => {
    if (type !== messages.entry) return;
    if (entries.length === most) throw protocolError(`a directory of more than the ${most} entries asked for`);
    bytes += fields.byteLength;
    if (bytes > MAX_LIST_BYTES) refuse(tooLong(path));
    else entries.push(parseEntry(fields));
  };
  return call(session, methods.listDirectory, args, 'file', () => entries, options, onMessage);
}

function tooLong(path: string): NovaError {
  return new NovaError('guest_resource_exhausted', `The listing of ${path} exceeds ${MAX_LIST_BYTES} bytes.`, {
    hint: 'List with a smaller depth or limit.',
  });
}

/**
 * Creates a directory and its parents (default mode 0755). Resolves to whether it was created. Rejects with
 * `file_exists`.
 */
export async function makeDirectory(
  session: Session,
  path: string,
  how: Parameters<GuestAgent['makeDirectory']>[1],
  options?: CallOptions,
): Promise<boolean> {
  const args = new RecordWriter()
    .string(tags.mkdir.path, path)
    .integer(tags.mkdir.mode, how.mode)
    .string(tags.mkdir.user, how.user);
  return call(session, methods.mkdir, args, 'file', (fields) => fields.flag(tags.mkdirResult.created), options);
}

/**
 * Moves a file or a directory, over file systems too, and creates the parents of the destination. Resolves to the
 * entry at the destination.
 */
export async function move(
  session: Session,
  source: string,
  destination: string,
  user?: string,
  options?: CallOptions,
): Promise<Entry> {
  const args = new RecordWriter()
    .string(tags.move.source, source)
    .string(tags.move.destination, destination)
    .string(tags.move.user, user);
  return call(session, methods.move, args, 'file', parseEntry, options);
}

/** Removes a file or a whole directory; links are not followed. Resolves to whether there was anything. */
export async function remove(session: Session, path: string, user?: string, options?: CallOptions): Promise<boolean> {
  const args = new RecordWriter().string(tags.remove.path, path).string(tags.remove.user, user);
  return call(session, methods.remove, args, 'file', (fields) => fields.flag(tags.removeResult.existed), options);
}

/** Sets mode, owner and extended attributes; leaves alone what is absent. */
export async function setAttributes(
  session: Session,
  path: string,
  attributes: Parameters<GuestAgent['setAttributes']>[1],
  options?: CallOptions,
): Promise<Entry> {
  const { mode, owner, user, xattrs } = attributes;
  const args = new RecordWriter()
    .string(tags.attributes.path, path)
    .integer(tags.attributes.mode, mode)
    .string(tags.attributes.owner, owner)
    .string(tags.attributes.user, user);
  for (const [name, value] of Object.entries(xattrs ?? {})) {
    const xattr = new RecordWriter().string(tags.xattr.name, name);
    args.record(
      tags.attributes.xattr,
      value === null ? xattr.flag(tags.xattr.remove, true) : xattr.bytes(tags.xattr.value, value),
    );
  }
  return call(session, methods.attributes, args, 'file', parseEntry, options);
}
