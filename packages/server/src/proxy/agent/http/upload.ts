import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Busboy, type BusboyHeaders } from '@fastify/busboy';
import { NovaError } from '@novasandbox/protocol';
import { answer, failure } from '../../answer.ts';
import { metadataOf, metadataPrefix } from '../filesystem/entry.ts';
import type { Scope } from '../scope.ts';
import { fileProblem } from './problem.ts';

export interface Written {
  readonly path: string;
  readonly name: string;
  readonly type: 'file';
  readonly metadata?: Readonly<Record<string, string>>;
}

const maxFiles = 1000;

/** POST /files: streams one file, which is the whole body, or the files of a form into the guest. */
export async function upload(scope: Scope, request: IncomingMessage, path: string | null): Promise<void> {
  const type = request.headers['content-type'] ?? '';
  const { response } = scope;
  try {
    const metadata = metadataHeaders(request);
    let written: Written[];
    if (/^multipart\/form-data\b/i.test(type)) written = await form(scope, request, path, metadata);
    else if (path === null || path === '') return answer(response, failure(400, 'missing path'));
    else written = [await write(scope, path, decoded(request), metadata)];
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(written));
  } catch (error) {
    answer(response, fileProblem(scope, error, path ?? ''));
  }
}

function decoded(request: IncomingMessage): AsyncIterable<Uint8Array> {
  const coding = request.headers['content-encoding']?.toLowerCase() ?? 'identity';
  if (coding === 'identity') return request;
  if (coding !== 'gzip') throw new NovaError('invalid_argument', `unsupported content encoding: ${coding}`);
  const gunzip = createGunzip();
  request.on('error', (error) => gunzip.destroy(error));
  request.once('close', () => {
    if (!request.complete) gunzip.destroy(new Error('the upload was broken off'));
  });
  return request.pipe(gunzip);
}

async function write(
  scope: Scope,
  path: string,
  source: AsyncIterable<Uint8Array>,
  metadata: Readonly<Record<string, string>>,
): Promise<Written> {
  const { files } = scope.context.engine;
  const entry = await files.write(scope.info.id, path, source, { user: scope.user });
  const { path: absolute, name } = entry;
  const described = Object.keys(metadata).length > 0;
  // Metadata of the previous content does not apply to the new content.
  const old = Object.keys(metadataOf(entry)).map((key) => [metadataPrefix + key, null] as const);
  const own = Object.entries(metadata).map(([key, value]) => [metadataPrefix + key, Buffer.from(value)] as const);
  const xattrs = Object.fromEntries<Buffer | null>([...old, ...own]);
  if (Object.keys(xattrs).length > 0) await files.setAttributes(scope.info.id, absolute, { xattrs });
  return { path: absolute, name, type: 'file', ...(described ? { metadata } : {}) };
}

/**
 * Writes the fields named `file` of a form, one after the other. Each is written to its own name, unless the query has
 * a path for all of them.
 */
async function form(
  scope: Scope,
  request: IncomingMessage,
  path: string | null,
  metadata: Readonly<Record<string, string>>,
): Promise<Written[]> {
  const parser = new Busboy({
    headers: request.headers as BusboyHeaders,
    preservePath: true,
    // A form may give a file as plain text, without a name or type of its own.
    isPartAFile: (field, type, name) => field === 'file' || type === 'application/octet-stream' || name !== undefined,
    limits: { files: maxFiles, fields: 100, fieldSize: 65_536 },
  });
  const written: Promise<Written>[] = [];
  const finished = Promise.withResolvers<void>();
  const open = new Set<Readable>();
  const fail = (error: Error): void => {
    finished.reject(error);
    for (const file of open) file.destroy(error);
    request.unpipe(parser);
  };
  parser.on('file', (field, file: Readable, name: string | undefined) => {
    if (field !== 'file') return void file.resume();
    open.add(file);
    // The reader, where there is one, gets the error too. Without any listener an error would end the daemon.
    file.on('error', () => undefined);
    file.once('close', () => open.delete(file));
    const target = path === null || path === '' ? (name ?? '') : path;
    const one =
      target === ''
        ? Promise.reject(new NovaError('invalid_argument', 'missing path'))
        : write(scope, target, file, metadata);
    one.catch((error: unknown) => fail(error as Error));
    written.push(one);
  });
  parser.on('error', (error) => fail(new NovaError('invalid_argument', `the form is malformed: ${String(error)}`)));
  parser.on('finish', () => finished.resolve());
  request.once('close', () => {
    if (!request.complete) fail(new NovaError('cancelled', 'the upload was broken off'));
  });
  request.pipe(parser);
  await finished.promise;
  return Promise.all(written);
}

/** `X-Metadata-<key>: value`. */
function metadataHeaders(request: IncomingMessage): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    const key = /^x-metadata-([a-z0-9._-]{1,128})$/.exec(name)?.[1];
    if (key !== undefined) metadata[key] = String(value);
  }
  return metadata;
}
