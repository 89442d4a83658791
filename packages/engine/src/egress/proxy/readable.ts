import { pipeline, type Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { pairsOf } from './http-headers.ts';

/**
 * Headers that would bring an answer in which secrets cannot be looked for: encoded ones, and parts, each of which
 * might hold a piece of a secret.
 */
const hiding = new Set(['accept-encoding', 'range', 'if-range', 'sec-websocket-extensions', 'grpc-accept-encoding']);

/** The headers of a request whose answer has to be readable. */
export const askingReadably = (headers: readonly string[]): string[] => [
  ...[...pairsOf(headers)].filter(([name]) => !hiding.has(name.toLowerCase())).flat(),
  ...['accept-encoding', 'identity'],
];

const decoders: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/**
 * The body of an answer as it was before it was encoded, although it was asked for plain. `decoded`: its length differs
 * from what its head says. Null: nobody here knows the encoding.
 */
export function readableBody(
  body: Readable,
  encoding: string | undefined,
): { readonly body: Readable; readonly decoded: boolean } | null {
  const name = (encoding ?? 'identity').trim().toLowerCase();
  if (name === 'identity' || name === '') return { body, decoded: false };
  const decode = Object.hasOwn(decoders, name) ? decoders[name] : undefined;
  if (decode === undefined) return null;
  // Failures are those of the decoder, which its reader sees.
  return { body: pipeline(body, decode(), () => undefined), decoded: true };
}
