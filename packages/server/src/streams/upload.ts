import type { IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { Busboy, type BusboyHeaders } from '@fastify/busboy';
import { NovaError, parse } from '@novasandbox/protocol';
import { uploadFieldsSchema } from '@novasandbox/protocol/api';
import { patiently } from '../bodies/body-time.ts';

export interface Upload {
  readonly path: string;
  readonly permissions: string | undefined;
  readonly user: string | undefined;
  readonly bytes: AsyncIterable<Uint8Array>;
}

const limits = { fields: 8, fieldSize: 8192, fieldNameSize: 64, files: 1, headerPairs: 32 };

/**
 * Receives a multipart upload as a stream: the fields `path`, `permissions` and `user`, then the part `file`, which
 * `write` reads at its own pace.
 */
export async function receiveUpload<T>(
  request: IncomingMessage,
  silenceMs: number,
  write: (upload: Upload) => Promise<T>,
): Promise<T> {
  if (!/^multipart\/form-data\s*;/i.test(request.headers['content-type'] ?? '')) {
    throw new NovaError('unsupported_media_type', 'An upload must be multipart/form-data.');
  }
  const parser = parserOf(request);
  const fields: Record<string, string> = {};
  let written: Promise<T> | undefined;
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  parser.on('field', (name, value) => {
    if (written === undefined) fields[name] = value;
    else
      failed.reject(
        new NovaError('invalid_argument', `${name}: must come before the file, which is written as it arrives.`),
      );
  });
  parser.on('file', (name, stream) => {
    try {
      if (name !== 'file') throw new NovaError('invalid_argument', `file: the part of the file is named "${name}".`);
      const { path, permissions, user } = parse(uploadFieldsSchema, fields, 'upload');
      written = write({ path, permissions, user, bytes: stream });
      written.catch(failed.reject);
    } catch (error) {
      stream.resume();
      failed.reject(error);
    }
  });
  parser.on('filesLimit', () => failed.reject(new NovaError('invalid_argument', 'file: an upload has only one file.')));
  parser.on('error', (error) => failed.reject(malformed(error)));
  const body = Readable.from(patiently(request, silenceMs), { objectMode: false });
  body.on('error', (error) => {
    failed.reject(error);
    parser.destroy(error);
  });
  const finished = once(parser, 'finish');
  finished.catch(() => undefined);
  body.pipe(parser);
  try {
    await Promise.race([finished, failed.promise]);
    if (written === undefined) throw new NovaError('invalid_argument', 'file: is missing.');
    return await Promise.race([written, failed.promise]);
  } finally {
    body.destroy();
    parser.destroy();
  }
}

function parserOf(request: IncomingMessage): InstanceType<typeof Busboy> {
  try {
    return new Busboy({ headers: request.headers as BusboyHeaders, limits });
  } catch (error) {
    throw malformed(error);
  }
}

const malformed = (error: unknown): NovaError =>
  new NovaError('malformed_request', error instanceof Error ? error.message : 'The multipart body is malformed.', {
    cause: error,
  });
