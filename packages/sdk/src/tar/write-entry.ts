import type { FileHandle } from 'node:fs/promises';
import type { TarEntry } from './read-tar.ts';

/** Fills a new file with the contents of an entry, including holes and modification time. */
export async function writeEntry(file: FileHandle, entry: TarEntry): Promise<void> {
  if (entry.sparse === null) {
    for await (const part of entry.body) await file.writeFile(part);
  } else {
    let index = 0;
    let done = 0;
    const { pieces, size } = entry.sparse;
    for await (const part of entry.body) {
      for (let from = 0; from < part.length;) {
        const piece = pieces[index];
        if (piece === undefined) throw new Error('the pieces are as long as the body');
        const length = Math.min(part.length - from, piece.length - done);
        if (length > 0) await writeAll(file, part.subarray(from, from + length), piece.at + done);
        from += length;
        done += length;
        if (done === piece.length) [index, done] = [index + 1, 0];
      }
    }
    await file.truncate(size);
  }
  await file.utimes(entry.modifiedSeconds, entry.modifiedSeconds).catch(() => undefined);
}

async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await file.write(bytes, written, bytes.length - written, at + written)).bytesWritten;
  }
}
