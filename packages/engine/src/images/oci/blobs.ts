import { createHash, type Hash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { NovaError } from '@novasandbox/protocol';
import type { Layout } from '../../layout.ts';
import { flush } from '../../artifacts/publish.ts';
import { failed } from './http.ts';
import { largestManifest, type Descriptor } from './manifest.ts';
import type { Repository } from './registry.ts';

/** The hexadecimal part of a digest, which names the blob's file. */
export const hexOf = (digest: string): string => digest.slice('sha256:'.length);

/** Where images of this host, or of a registry, have their blobs. */
export interface BlobSource {
  /** Puts a blob into the store. */
  fetch(blob: Descriptor, told: (bytes: number) => void, signal?: AbortSignal): Promise<void>;
}

/** A transfer that stops in the middle is taken up again so often without getting further. */
const fruitless = 4;
const pauseMs = 300;

/** Whether a blob is here. Its name is its digest, and it was compared with that before it got the name. */
export const hasBlob = (layout: Layout, digest: string): boolean => existsSync(layout.oci.blob(hexOf(digest)));

/** Reads a small blob: a manifest or a config. */
export async function readBlob(layout: Layout, { digest, size }: Descriptor): Promise<Buffer> {
  if (size > largestManifest) throw failed(`its config is larger than ${largestManifest} bytes`);
  return readFile(layout.oci.blob(hexOf(digest)));
}

/** Blobs of a repository. What has arrived stays when a transfer ends, and the next one goes on from there. */
export function blobsOf(layout: Layout, repository: Repository): BlobSource {
  return {
    async fetch({ digest, size }, told, signal) {
      const path = layout.oci.partial(hexOf(digest));
      let hash = createHash('sha256');
      let have = await hashBeginning(path, hash, size);
      told(have);
      for (let failures = 0; have < size || !existsSync(path);) {
        const before = have;
        try {
          const answer = await repository.blob(digest, have, signal);
          const start = answer.status === 206 ? startOf(answer.headers['content-range']) : 0;
          if (start !== have) {
            // The server sends it from its beginning, or does not know the rest of it.
            hash = createHash('sha256');
            told(-have);
            have = 0;
            await rm(path, { force: true });
            if (start !== 0) {
              answer.body.destroy();
              throw failed(`the server sends another part of a layer than was asked for`);
            }
          }
          await append(answer.body as AsyncIterable<Buffer>, path, {
            most: size - have,
            signal,
            onChunk: (chunk) => {
              hash.update(chunk);
              have += chunk.length;
              told(chunk.length);
            },
          });
          if (have < size) throw failed(`a layer ended after ${have} of ${size} bytes`);
        } catch (error) {
          signal?.throwIfAborted();
          const isFinal = error instanceof NovaError && error.code !== 'download_failed';
          failures = have > before ? 1 : failures + 1;
          if (isFinal || failures >= fruitless) throw error;
          await delay(pauseMs * failures, undefined, { signal });
        }
      }
      await keep(layout, { digest, path, hash });
    },
  };
}

/** Gives a file its name among the blobs if its bytes have that digest, and removes it otherwise. */
export async function keep(
  layout: Layout,
  { digest, path, hash }: { readonly digest: string; readonly path: string; readonly hash: Hash },
): Promise<void> {
  const found = `sha256:${hash.digest('hex')}`;
  if (found !== digest) {
    await rm(path, { force: true });
    throw new NovaError('checksum_mismatch', `A part of the image has the digest ${found} in place of ${digest}.`);
  }
  await flush(path);
  await rename(path, layout.oci.blob(hexOf(digest)));
}

/**
 * Appends chunks to a file that only its owner may read, whatever is in it. A chunk counts once it is in the file: what
 * is counted can be taken up again.
 */
export async function append(
  chunks: AsyncIterable<Buffer>,
  path: string,
  {
    most,
    onChunk,
    signal,
  }: {
    readonly most: number;
    readonly onChunk: (chunk: Buffer) => void;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<void> {
  await using file = await open(path, 'a', 0o600);
  let written = 0;
  try {
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      written += chunk.length;
      if (written > most)
        throw new NovaError('checksum_mismatch', 'A part of the image is longer than its manifest says.');
      await file.appendFile(chunk);
      onChunk(chunk);
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof NovaError || (error instanceof Error && 'syscall' in error && error.syscall === 'write'))
      throw error;
    throw failed('the transfer was cut', error);
  }
}

/** Feeds what an earlier transfer has left to the hash. Gives its length. */
async function hashBeginning(path: string, hash: Hash, most: number): Promise<number> {
  const found = await stat(path).catch(() => null);
  if (found === null) return 0;
  if (found.size > most) {
    await rm(path, { force: true });
    return 0;
  }
  await pipeline(createReadStream(path), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) hash.update(chunk);
  });
  return found.size;
}

const startOf = (range: string | undefined): number => Number(/^bytes (\d+)-/.exec(range ?? '')?.[1] ?? Number.NaN);
