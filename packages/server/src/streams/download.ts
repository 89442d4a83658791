import { Readable } from 'node:stream';
import type { Services } from '../context.ts';
import type { StreamAnswer } from '../routes/call.ts';
import { sizeOfFile } from './file-size.ts';
import { parseRange } from './range.ts';

interface Wanted {
  readonly path: string;
  readonly user?: string | undefined;
}

/** A file, or the range of it that is asked for. The client's reading is the guest's pace. */
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
  // Files of /proc say 0 and hold something; the size of a link is its own.
  const length = part?.length ?? (entry.size > 0 && entry.symlinkTarget === null ? entry.size : null);
  return {
    status: part === null ? 200 : 206,
    headers: {
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
      'last-modified': new Date(entry.modifiedAt).toUTCString(),
      'content-disposition': `attachment; filename*=UTF-8''${encodeFileName(entry.name)}`,
      ...(length === null ? {} : { 'content-length': String(length) }),
      ...(part === null ? {} : { 'content-range': `bytes ${part.start}-${part.start + part.length - 1}/${part.size}` }),
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

/** No more than was announced, whatever the guest sends; what was opened is closed whoever ends it. */
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

function encodeFileName(name: string): string {
  return encodeURIComponent(name.toWellFormed()).replaceAll(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
}
