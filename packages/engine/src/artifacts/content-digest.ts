import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { dataExtents } from './sparse.ts';

const chunk = 1 << 20;

/**
 * Digest of the content of a sparse file, hex: SHA-256 of its size and of everything that is not zero, block by block
 * of 4 KiB, with its places. Copies have the digest of the original however their holes lie, and holes cost no time.
 */
export async function contentDigest(path: string, signal?: AbortSignal): Promise<string> {
  const extents = await dataExtents(path, signal);
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const hash = createHash('sha256').update(`${size}`);
  const buffer = Buffer.allocUnsafe(chunk);
  for (const [offset, length] of extents) {
    hash.update(` ${offset}+${length} `);
    for (let done = 0; done < length;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, Math.min(chunk, length - done), offset + done);
      if (bytesRead === 0) throw new Error(`${path} became shorter while it was read`);
      hash.update(buffer.subarray(0, bytesRead));
      done += bytesRead;
    }
  }
  return hash.digest('hex');
}
