import type { ByteSource, CallOptions } from '../ports/guest-agent.ts';
import { download } from './download.ts';
import { methods, tags } from './numbers.ts';
import { RecordWriter, type Fields } from './record.ts';
import type { Session } from './session.ts';
import { upload } from './upload.ts';

/**
 * Unpacks a tar archive into a directory, which is created when missing. `user` owns all entries; when it is undefined,
 * they belong to the owners that the archive names. Time limit and source are as for writeFile.
 */
export async function tarIn(
  session: Session,
  path: string,
  source: ByteSource,
  user: string | undefined,
  options?: CallOptions,
): Promise<{ readonly entries: number; readonly bytes: number }> {
  const args = new RecordWriter().string(tags.tarIn.path, path).string(tags.tarIn.user, user);
  const parse = (fields: Fields) => ({
    entries: fields.integer(tags.tarResult.entries),
    bytes: fields.integer(tags.tarResult.bytes),
  });
  return upload(session, methods.tarIn, args, source, parse, options);
}

/**
 * Packs a directory (or one file) as a tar archive. Leaving the iteration ends it. Rejects with `file_not_found`;
 * later errors are thrown by the iteration.
 */
export async function tarOut(
  session: Session,
  path: string,
  user: string | undefined,
  options?: CallOptions,
): Promise<AsyncIterable<Uint8Array> & AsyncDisposable> {
  const args = new RecordWriter().string(tags.tarOut.path, path).string(tags.tarOut.user, user);
  const { bytes } = await download(session, methods.tarOut, args, { message: null, countTag: null }, options);
  return bytes;
}
