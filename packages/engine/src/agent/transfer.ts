import type { Entry } from '@novasandbox/protocol';
import type { ByteSource, CallOptions, FileReader, GuestAgent } from '../ports/guest-agent.ts';
import { download } from './download.ts';
import { parseEntry } from './entry.ts';
import { protocolError } from './errors.ts';
import { messages, methods } from './methods.ts';
import { RecordWriter, type Fields } from './record.ts';
import type { Session } from './session.ts';
import { upload } from './upload.ts';

/**
 * Opens a file for reading, whole or `length` bytes (0: to the end) from `offset`. The time limit (default 30 s) is that of the opening; the
 * signal counts until the end. Leaving the iteration or disposing of the reader ends the transfer. Rejects with `file_not_found`,
 * `is_a_directory`, `permission_denied`.
 */
export async function readFile(
  session: Session,
  path: string,
  range: Parameters<GuestAgent['readFile']>[1],
  options?: CallOptions,
): Promise<FileReader> {
  const args = new RecordWriter()
    .string(1, path)
    .integer(2, range.offset)
    .integer(3, range.length)
    .string(4, range.user);
  const message = (type: number, fields: Fields): Entry | undefined =>
    type === messages.stat ? parseEntry(fields) : undefined;
  const { opened, bytes } = await download(session, methods.read, args, { message, countTag: 1 }, options);
  if (opened === undefined) throw protocolError('a file without its description');
  return { entry: opened, bytes, [Symbol.asyncDispose]: () => bytes[Symbol.asyncDispose]() };
}

/**
 * Writes what `source` yields into a file and resolves to its entry. Parents are created; the file is truncated unless `append` or `offset`
 * says otherwise. `timeoutMs` limits the whole call; without it the guest has 30 s for each step that is its own, the source any
 * time it needs. The source is closed when the call fails. Rejects with `file_exists` for `exclusive`, `guest_resource_exhausted` for a full disk.
 */
export async function writeFile(
  session: Session,
  path: string,
  source: ByteSource,
  how: Parameters<GuestAgent['writeFile']>[2],
  options?: CallOptions,
): Promise<Entry> {
  const args = new RecordWriter()
    .string(1, path)
    .integer(2, how.mode)
    .string(3, how.user)
    .flag(4, how.append)
    .flag(5, how.exclusive)
    .integer(6, how.offset);
  const parse = (fields: Fields): Entry => parseEntry(fields.requiredRecord(2));
  return upload(session, methods.write, args, source, parse, options);
}
