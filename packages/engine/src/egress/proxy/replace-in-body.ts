import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { Target } from '../policy/judge.ts';
import { placeOf, type Visit } from './visit.ts';

/** A longer body is passed on as it is. */
const longestBody = 1 << 20;

/**
 * The body of a request with the values of secrets in its fields. Null: it is not of JSON, too long, or has none; then
 * it can be read as if nobody had read it.
 */
export async function replaceInBody(
  { accepted: { box }, secure }: Visit,
  target: Target,
  body: Readable,
  headers: IncomingHttpHeaders,
): Promise<{ readonly body: Buffer; readonly used: readonly string[] } | null> {
  const isPlain = (headers['content-encoding'] ?? 'identity') === 'identity';
  if (!isPlain || !/^application\/(?:[\w.-]+\+)?json\b/i.test(headers['content-type'] ?? '')) return null;
  if (Number(headers['content-length'] ?? 0) > longestBody) return null;
  const { bytes, isWhole } = await readUpTo(body, longestBody);
  const replaced = isWhole ? box.secrets.inBody(bytes, placeOf(target, secure)) : null;
  if (replaced !== null) return replaced;
  if (isWhole) return { body: bytes, used: [] };
  body.unshift(bytes);
  return null;
}

/** Reads until the end, or until more than `most` bytes are there. Rejects where it is closed before. */
function readUpTo(body: Readable, most: number): Promise<{ readonly bytes: Buffer; readonly isWhole: boolean }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ readonly bytes: Buffer; readonly isWhole: boolean }>();
  const chunks: Buffer[] = [];
  let length = 0;
  const onReadable = (): void => {
    for (let chunk = body.read() as Buffer | null; chunk !== null; chunk = body.read() as Buffer | null) {
      chunks.push(chunk);
      length += chunk.length;
    }
    if (length > most) resolve({ bytes: Buffer.concat(chunks), isWhole: false });
  };
  const onEnd = (): void => resolve({ bytes: Buffer.concat(chunks), isWhole: true });
  const onClose = (): void => reject(new Error('The request was closed early.'));
  body.on('readable', onReadable).on('end', onEnd).on('close', onClose);
  onReadable();
  if (body.readableEnded) onEnd();
  return promise.finally(() => {
    body.off('readable', onReadable).off('end', onEnd).off('close', onClose);
  });
}
