import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';

/** If a link or a pipe has meanwhile taken the place of a file, a link is not followed and a pipe does not block. */
export const asItWasSeen = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The content of a file; null where it cannot be read, is no file, or has more bytes. */
export function readAtOnce(path: string, maxBytes = Number.MAX_SAFE_INTEGER): Buffer | null {
  let file: number;
  try {
    file = openSync(path, asItWasSeen);
  } catch {
    return null;
  }
  try {
    const found = fstatSync(file);
    if (!found.isFile() || found.size > maxBytes) return null;
    const content = Buffer.allocUnsafe(found.size);
    let length = 0;
    for (let read = -1; read !== 0 && length < content.length; length += read) {
      read = readSync(file, content, length, content.length - length, null);
    }
    return content.subarray(0, length);
  } catch {
    return null;
  } finally {
    closeSync(file);
  }
}

/** The digest of a file of any size; null where it cannot be read, or is no file. */
export async function digestOfFile(path: string): Promise<string | null> {
  try {
    await using file = await open(path, asItWasSeen);
    if (!(await file.stat()).isFile()) return null;
    const sum = createHash('sha256');
    for await (const part of file.createReadStream({ autoClose: false, highWaterMark: 1024 * 1024 })) {
      sum.update(part as Buffer);
    }
    return sum.digest('hex');
  } catch {
    return null;
  }
}
