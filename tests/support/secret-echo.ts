import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';

/** Servers that send back the secret that they were given, in every form that a server may find for it. */

const secretOf = ({ headers }: Http2ServerRequest): string =>
  String(headers['authorization'] ?? '').replace(/^Bearer /, '');

/** The forms in which a server may send a text back. */
export function formsOfEcho(text: string): string[] {
  const bytes = Buffer.from(text);
  return [
    text,
    encodeURIComponent(text),
    encodeURIComponent(text).replaceAll(/%../g, (each) => each.toLowerCase()),
    JSON.stringify({ token: text }),
    JSON.stringify({ token: text }).replaceAll('/', String.raw`\/`),
    bytes.toString('base64'),
    Buffer.from(`user:${text}`).toString('base64'),
    Buffer.from(`users:${text}@`).toString('base64'),
    Buffer.from(`me:${text}`).toString('base64url'),
    bytes.toString('hex'),
    text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;'),
  ];
}

/** All forms, one byte a write, and the secret in a header and in the trailers. */
export function sendForms(request: Http2ServerRequest, response: Http2ServerResponse): void {
  const secret = secretOf(request);
  const body = Buffer.from(`${formsOfEcho(secret).join('\n')}\n`);
  response.writeHead(200, {
    'x-got': secret,
    'x-coding': String(request.headers['accept-encoding'] ?? ''),
    'x-range': String(request.headers['range'] ?? ''),
    'content-length': body.length,
  });
  let at = 0;
  const next = (): void => {
    if (at === body.length) return void response.end();
    response.write(body.subarray(at, (at += 1)), () => setImmediate(next));
  };
  next();
}

const coders: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
  compress: (bytes) => bytes,
};

/** The secret in an encoding that nobody asked for. */
export function sendCoded(name: string, request: Http2ServerRequest, response: Http2ServerResponse): void {
  const body = coders[name]?.(Buffer.from(`the secret is ${secretOf(request)}\n`)) ?? Buffer.alloc(0);
  response.writeHead(200, { 'content-encoding': name, 'content-length': body.length });
  response.end(body);
}
