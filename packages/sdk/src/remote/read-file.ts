import type { Readable } from 'node:stream';
import type { FileReader } from '@novasandbox/engine/services';
import { entryOfWire } from '@novasandbox/protocol/api';
import type { HttpClient } from './http.ts';
import { cancelled, connectionError } from './remote-error.ts';

interface Range {
  readonly offset?: number;
  readonly length?: number;
  readonly user?: string | undefined;
}

/**
 * Reads a file or a part of it. If the size is known, the daemon is asked for the part; if the file grows while it is
 * read, the part is cut out here.
 */
export async function readRemoteFile(
  http: HttpClient,
  ref: string,
  path: string,
  { offset = 0, length, user }: Range,
  signal: AbortSignal | undefined,
): Promise<FileReader> {
  const query = { path, user };
  const entry = entryOfWire(await http.call('statFile', { id: ref }, { query, signal }));
  const wanted = Math.min(length ?? Infinity, Math.max(0, entry.size - offset));
  const sized = entry.type === 'file' && entry.size > 0;
  if (length === 0 || (sized && wanted === 0)) return readerOf(entry, none(), () => undefined);
  const part = sized && (offset > 0 || wanted < entry.size);
  const headers = part ? { range: `bytes=${offset}-${offset + wanted - 1}` } : {};
  const body = await http.stream('downloadFile', { id: ref }, { query, headers, signal });
  const window = part ? { offset: 0, length: wanted } : { offset, length: length ?? Infinity };
  return readerOf(entry, cut(streamOf(body, signal), window), () => void body.destroy());
}

function readerOf(entry: FileReader['entry'], bytes: AsyncIterable<Uint8Array>, close: () => void): FileReader {
  return { entry, bytes, [Symbol.asyncDispose]: async () => close() };
}

/** Adapts a streaming response to the services: a broken transfer rejects with a typed error, and leaving ends it. */
export function streamOf(
  body: Readable,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> & AsyncDisposable {
  // A body may still fail after it was released, when nobody listens.
  body.on('error', () => undefined);
  async function* bytes(): AsyncGenerator<Uint8Array> {
    try {
      yield* body as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw signal?.aborted === true ? cancelled(signal) : connectionError('the other end', error);
    } finally {
      body.destroy();
    }
  }
  return Object.assign(bytes(), {
    [Symbol.asyncDispose]: async () => void body.destroy(),
  });
}

async function* none(): AsyncGenerator<Uint8Array> {}

async function* cut(
  bytes: AsyncIterable<Uint8Array>,
  { offset, length }: { readonly offset: number; readonly length: number },
): AsyncGenerator<Uint8Array> {
  let skip = offset;
  let left = length;
  for await (const chunk of bytes) {
    const taken = chunk.subarray(skip, skip + Math.min(left, chunk.length));
    skip = Math.max(0, skip - chunk.length);
    left -= taken.length;
    if (taken.length > 0) yield taken;
    // Do not end a transfer that is about to end anyway: that would cost the connection.
    if (left === 0 && length !== Infinity && taken.length < chunk.length) return;
  }
}
