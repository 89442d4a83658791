import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import { hostFileError } from '../tar/host-file-error.ts';

/**
 * Writes to a file that only its owner may read, or to a stream, which is left open. A file is written beside `target`
 * and then moved, so a failure leaves an older one in place. A pipe or device is written to as it is. `signal` is for a
 * stream that takes nothing; everything else ends with `source`.
 */
export async function writeTo(
  target: string | Writable,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (typeof target !== 'string')
    return pipeline(source, target, signal === undefined ? { end: false } : { end: false, signal });
  const found = await stat(target).catch(() => null);
  const isFile = found === null || found.isFile();
  const path = isFile ? join(dirname(target), `.${basename(target)}.${process.pid}.part`) : target;
  try {
    const file = await open(path, isFile ? 'wx' : 'w', 0o600);
    try {
      for await (const part of source) await file.writeFile(part);
      // An error of the disk is heard before the file gets its name.
      if (isFile) await file.sync();
    } finally {
      await file.close();
    }
    if (isFile) await rename(path, target);
  } catch (error) {
    if (isFile) await rm(path, { force: true });
    throw hostFileError(error);
  }
}

/** The bytes of a file. */
export async function* readFrom(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* createReadStream(path, { highWaterMark: 1_048_576 }) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw hostFileError(error);
  }
}
