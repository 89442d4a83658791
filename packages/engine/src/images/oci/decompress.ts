import { createGunzip, createZstdDecompress, constants } from 'node:zlib';
import type { Transform } from 'node:stream';
import { invalidImage } from './manifest.ts';

/** The compression of a blob, which its first bytes say. The media type is often wrong. */
export type Packing = 'gzip' | 'zstd' | 'none';

/** How many bytes `packingOf` needs. */
export const magicBytes = 4;

export function packingOf(head: Uint8Array): Packing {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd && head[0] === 0x28) return 'zstd';
  // zstd:chunked and pzstd begin with a frame to be skipped.
  if ((head[0] ?? 0) >> 4 === 5 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18) return 'zstd';
  return 'none';
}

/** Windows up to 2 GiB, as `zstd --long=31` makes them; the least that images need is 8 MiB. */
const longestWindow = 31;

/** Unpacks a stream of chunks. A truncated one is an error, and so are bytes after it that are no frame. */
export async function* unpacked(source: AsyncIterable<Buffer>, packing: Packing, name: string): AsyncGenerator<Buffer> {
  if (packing === 'none') yield* source;
  else if (packing === 'gzip') yield* through(source, () => createGunzip({ chunkSize: chunkBytes }), name, false);
  else yield* through(source, zstd, name, true);
}

const chunkBytes = 1 << 17;
const zstd = (): Transform & { readonly bytesWritten: number } =>
  createZstdDecompress({ chunkSize: chunkBytes, params: { [constants.ZSTD_d_windowLogMax]: longestWindow } });

/**
 * @param restarts Node's decoder for zstd ends after the first frame and says nothing of the rest. A new one begins
 * where it ended, which its `bytesWritten` says.
 */
async function* through(
  source: AsyncIterable<Buffer>,
  make: () => Transform & { readonly bytesWritten: number },
  name: string,
  restarts: boolean,
): AsyncGenerator<Buffer> {
  const input = source[Symbol.asyncIterator]();
  let left: Buffer | null = null;
  let ended = false;
  const next = async (): Promise<Buffer | null> => {
    if (left !== null) {
      const chunk: Buffer = left;
      left = null;
      return chunk;
    }
    for (;;) {
      const { value, done } = await input.next();
      if (done === true) {
        ended = true;
        return null;
      }
      if (value.length > 0) return value;
    }
  };
  try {
    for (;;) {
      const first = await next();
      if (first === null) return;
      const decoder = make();
      let given = 0;
      let isOver = false;
      // Keeps the last chunks given, of which the decoder may not have used all.
      let last: Buffer = first;
      const feed = async (): Promise<void> => {
        for (let chunk: Buffer | null = first; chunk !== null; chunk = isOver ? null : await next()) {
          last = chunk;
          given += chunk.length;
          await new Promise<void>((resolve, reject) => {
            decoder.once('error', reject);
            decoder.once('close', resolve);
            decoder.write(chunk, () => {
              decoder.off('error', reject);
              decoder.off('close', resolve);
              resolve();
            });
          });
          // A decoder that has used less than it was given has come to the end of its frame.
          if (restarts && decoder.bytesWritten < given) break;
        }
        decoder.end();
      };
      const feeding = feed();
      feeding.catch((error: unknown) => decoder.destroy(error instanceof Error ? error : new Error(String(error))));
      try {
        for await (const chunk of decoder) yield chunk as Buffer;
      } catch (error) {
        throw invalidImage(`${name} is damaged: it cannot be unpacked`, error);
      } finally {
        isOver = true;
        decoder.destroy();
      }
      await feeding;
      if (!restarts) return;
      const unused = given - decoder.bytesWritten;
      if (unused > 0) left = last.subarray(last.length - unused);
      if (ended && unused === 0) return;
    }
  } finally {
    await input.return?.();
  }
}
