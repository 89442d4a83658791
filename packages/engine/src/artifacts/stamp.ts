import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';

export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Digest of a file's content, hex. */
export async function fileDigest(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, signal === undefined ? {} : { signal });
  return hash.digest('hex');
}

/**
 * A text that changes when the file is written, replaced or touched. A digest that was recorded with it is valid as
 * long as the text stays the same. It is read synchronously, because every create reads several of them, and the thread
 * pool would cost more than the reads. Throws where the file is missing.
 */
export function fileMark(path: string): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

const stampSchema = z.object({ mark: z.string(), digest: z.string().regex(/^[0-9a-f]{64}$/) });

/** The digest that was recorded for `mark`, or null when none was, or only for another mark. */
export function readStamp(path: string, mark: string): string | null {
  const stamp = readJson(path, stampSchema);
  return stamp?.mark === mark ? stamp.digest : null;
}

export async function writeStamp(path: string, mark: string, digest: string): Promise<void> {
  await writeJson(path, { mark, digest });
}

/** Reads a small file of ours. Null where it is missing or damaged, because making it again repairs both. */
export function readJson<S extends z.ZodType>(path: string, schema: S): z.output<S> | null {
  try {
    const result = schema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
    return result.success ? result.data : null;
  } catch {
    return null;
  }
}

/** Replaces a small file in one step. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  const half = `${path}.${process.pid}.${performance.now()}`;
  await writeFile(half, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  await rename(half, path);
}
