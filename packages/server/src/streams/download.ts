import { Readable } from 'node:stream';
import type { Services } from '../context.ts';
import type { StreamAnswer } from './answer.ts';
import { attachment } from '../bodies/attachment.ts';
import { sizeOfFile } from './file-size.ts';
import { contentRange, parseRange } from '../bodies/range.ts';

interface Wanted {
  readonly path: string;
  readonly user?: string | undefined;
}

/** Answers with a file or the requested range. The guest sends only as fast as the client reads. */
export async function fileAnswer(
  engine: Services,
  ref: string,
  { path, user }: Wanted,
  range: string | undefined,
  signal: AbortSignal,
): Promise<StreamAnswer> {
  const part = range === undefined ? null : parseRange(range, await sizeOfFile(engine, ref, path, user, signal));
  const reader = await engine.files.read(
    ref,
    path,
    part === null ? { user } : { offset: part.start, length: part.length, user },
    { signal },
  );
  const { entry } = reader;
  // Files in /proc report size 0 but have content, and the size of a link is not that of its target.
  const length = part?.length ?? (entry.size > 0 && entry.symlinkTarget === null ? entry.size : null);
  return {
    status: part === null ? 200 : 206,
    headers: {
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
      'last-modified': new Date(entry.modifiedAt).toUTCString(),
      'content-disposition': attachment(entry.name),
      ...(length === null ? {} : { 'content-length': String(length) }),
      ...(part === null ? {} : { 'content-range': contentRange(part) }),
    },
    body: Readable.from(until(reader, reader.bytes, length), { objectMode: false }),
  };
}

export async function archiveAnswer(
  engine: Services,
  ref: string,
  { path, user }: Wanted,
  signal: AbortSignal,
): Promise<StreamAnswer> {
  const bytes = await engine.files.tarOut(ref, path, user, { signal });
  return {
    headers: { 'content-type': 'application/x-tar' },
    body: Readable.from(until(bytes, bytes, null), { objectMode: false }),
  };
}

/** Yields at most the announced number of bytes, whatever the guest sends, and closes the file in every case. */
async function* until(
  opened: AsyncDisposable,
  bytes: AsyncIterable<Uint8Array>,
  length: number | null,
): AsyncGenerator<Uint8Array> {
  await using _opened = opened;
  let left = length ?? Infinity;
  for await (const chunk of bytes) {
    const taken = chunk.subarray(0, left);
    left -= taken.length;
    if (taken.length > 0) yield taken;
    if (left === 0) return;
  }
  if (length !== null && left > 0) throw new Error('the file became shorter while it was read');
}
