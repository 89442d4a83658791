import { NovaError, type Entry } from '@novasandbox/protocol';
import type { CallOptions, GuestAgent } from '../ports/guest-agent.ts';
import { call } from './call.ts';
import { parseEntry } from './entry.ts';
import { protocolError } from './errors.ts';
import { messages, methods } from './methods.ts';
import { RecordWriter, type Fields } from './record.ts';
import type { Session } from './session.ts';

/** Files of the guest that take one request. Paths are absolute; the default user is that of the guest. */

const DEFAULT_LIST_LIMIT = 100_000;
/** Bytes of all entry records of one listing: what an answer may make the host hold. */
const MAX_LIST_BYTES = 64 * 1024 * 1024;

/** Rejects with `file_not_found`. */
export async function stat(session: Session, path: string, user?: string, options?: CallOptions): Promise<Entry> {
  const args = new RecordWriter().string(1, path).string(2, user);
  return call(session, methods.stat, args, 'file', parseEntry, options);
}

/**
 * Entries of a directory in order of name, depth first. `depth` 1 (default): its own only. At most `limit` (default 100 000); those beyond
 * are left out. Rejects with `file_not_found`, `not_a_directory`, and `guest_resource_exhausted` above 64 MiB of entries.
 */
export async function list(
  session: Session,
  path: string,
  how: Parameters<GuestAgent['list']>[1],
  options?: CallOptions,
): Promise<Entry[]> {
  const limit = how.limit ?? DEFAULT_LIST_LIMIT;
  const args = new RecordWriter()
    .string(1, path)
    .integer(2, how.depth)
    .string(3, how.user)
    .integer(4, limit)
    .flag(5, how.xattrs);
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

/** Creates a directory and its parents (default mode 0755). Resolves to whether it was created. Rejects with `file_exists`. */
export async function makeDirectory(
  session: Session,
  path: string,
  how: Parameters<GuestAgent['makeDirectory']>[1],
  options?: CallOptions,
): Promise<boolean> {
  const args = new RecordWriter().string(1, path).integer(2, how.mode).string(3, how.user);
  return call(session, methods.makeDirectory, args, 'file', (fields) => fields.flag(1), options);
}

/** Moves, over file systems too; parents of the destination are created. Resolves to the entry at the destination. */
export async function move(
  session: Session,
  source: string,
  destination: string,
  user?: string,
  options?: CallOptions,
): Promise<Entry> {
  const args = new RecordWriter().string(1, source).string(2, destination).string(3, user);
  return call(session, methods.move, args, 'file', parseEntry, options);
}

/** Removes a file or a whole directory; links are not followed. Resolves to whether there was anything. */
export async function remove(session: Session, path: string, user?: string, options?: CallOptions): Promise<boolean> {
  const args = new RecordWriter().string(1, path).string(2, user);
  return call(session, methods.remove, args, 'file', (fields) => fields.flag(1), options);
}

/** Sets mode, owner and extended attributes; what is absent is left alone. */
export async function setAttributes(
  session: Session,
  path: string,
  attributes: Parameters<GuestAgent['setAttributes']>[1],
  options?: CallOptions,
): Promise<Entry> {
  const { mode, owner, user, xattrs } = attributes;
  const args = new RecordWriter().string(1, path).integer(2, mode).string(3, owner).string(4, user);
  for (const [name, value] of Object.entries(xattrs ?? {})) {
    const xattr = new RecordWriter().string(1, name);
    args.record(5, value === null ? xattr.flag(3, true) : xattr.bytes(2, value));
  }
  return call(session, methods.attributes, args, 'file', parseEntry, options);
}
