import type { Entry } from '@novasandbox/protocol';
import type { ByteSource, CallOptions, FileReader, GuestAgent } from '../ports/guest-agent.ts';
import { download } from './download.ts';
import { parseEntry } from './entry.ts';
import { protocolError } from './errors.ts';
import { messages, methods, tags } from './numbers.ts';
import { RecordWriter, type Fields } from './record.ts';
import type { Session } from './session.ts';
import { upload } from './upload.ts';

/**
 * Opens a file for reading, whole or `length` bytes (0: to the end) from `offset`. The time limit (default 30 s) is
 * that of the opening; the signal counts until the end. Leaving the iteration or disposing of the reader ends the
 * transfer. Rejects with `file_not_found`, `is_a_directory`, `permission_denied`.
 */
export async function readFile(
  session: Session,
  path: string,
  range: Parameters<GuestAgent['readFile']>[1],
  options?: CallOptions,
): Promise<FileReader> {
  const args = new RecordWriter()
    .string(tags.read.path, path)
    .integer(tags.read.offset, range.offset)
    .integer(tags.read.length, range.length)
    .string(tags.read.user, range.user);
  const message = (type: number, fields: Fields): Entry | undefined =>
    type === messages.stat ? parseEntry(fields) : undefined;
  const { opened, bytes } = await download(
    session,
    methods.read,
    args,
    { message, countTag: tags.readResult.bytes },
    options,
  );
  if (opened === undefined) throw protocolError('a file without its description');
  return { entry: opened, bytes, [Symbol.asyncDispose]: () => bytes[Symbol.asyncDispose]() };
}

/**
 * Writes what `source` yields into a file and resolves to its entry. Parents are created, and the file is truncated
 * unless `append` or `offset` says otherwise. `timeoutMs` limits the whole call; without it the guest has 30 s for each
 * step of its own, and the source may take any time. The source is closed when the call fails. Rejects with
 * `file_exists` for `exclusive`, and with `guest_resource_exhausted` for a full disk.
 */
export async function writeFile(
  session: Session,
  path: string,
  source: ByteSource,
  how: Parameters<GuestAgent['writeFile']>[2],
  options?: CallOptions,
): Promise<Entry> {
  const args = new RecordWriter()
    .string(tags.write.path, path)
    .integer(tags.write.mode, how.mode)
    .string(tags.write.user, how.user)
    .flag(tags.write.append, how.append)
    .flag(tags.write.exclusive, how.exclusive)
    .integer(tags.write.offset, how.offset);
  const parse = (fields: Fields): Entry => parseEntry(fields.requiredRecord(tags.writeResult.entry));
  return upload(session, methods.write, args, source, parse, options);
}
