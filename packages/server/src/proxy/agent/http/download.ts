import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import { isNovaError } from '@novasandbox/protocol';
import { answer } from '../../answer.ts';
import { attachment } from '../../../bodies/attachment.ts';
import { sizeOfFile } from '../../../streams/file-size.ts';
import { contentRange, parseRange, unsatisfiedRange } from '../../../bodies/range.ts';
import { pathOf, type Scope } from '../scope.ts';
import { fileProblem } from './problem.ts';

/** GET /files: streams a file of the guest, a range of it, or compressed where the client accepts gzip. */
export async function download(scope: Scope, request: IncomingMessage, path: string): Promise<void> {
  const { response, context, info } = scope;
  try {
    const named = pathOf(path);
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const { range: asked } = request.headers;
    const part =
      asked === undefined
        ? null
        : parseRange(asked, await sizeOfFile(context.engine, info.id, named, scope.user, gone.signal));
    if (part !== null) response.setHeader('content-range', contentRange(part));
    await using file = await context.engine.files.read(
      info.id,
      named,
      part === null ? { user: scope.user } : { offset: part.start, length: part.length, user: scope.user },
      { signal: gone.signal },
    );
    response.statusCode = part === null ? 200 : 206;
    response.setHeader('content-type', 'application/octet-stream');
    response.setHeader('content-disposition', attachment(file.entry.name));
    response.setHeader('accept-ranges', 'bytes');
    response.setHeader('vary', 'Accept-Encoding');
    // There is no Content-Length: the guest may send another number of bytes than it announced, and files in /proc
    // announce 0.
    const bytes = Readable.from(file.bytes, { objectMode: false });
    if (part === null && takesGzip(request.headers['accept-encoding'])) {
      response.setHeader('content-encoding', 'gzip');
      await pipeline(bytes, createGzip({ level: constants.Z_BEST_SPEED }), response);
    } else {
      await pipeline(bytes, response);
    }
  } catch (error) {
    if (response.headersSent) response.destroy();
    else {
      for (const name of response.getHeaderNames()) response.removeHeader(name);
      if (isNovaError(error, 'range_not_satisfiable'))
        response.setHeader('content-range', unsatisfiedRange(error.details['size']));
      answer(response, fileProblem(scope, error, path));
    }
  }
}

function takesGzip(header: string | string[] | undefined): boolean {
  const codings = String(header ?? '')
    .toLowerCase()
    .split(',');
  return codings.some((coding) => /^\s*gzip\s*(?:;\s*q\s*=\s*(?!0(?:\.0*)?\s*$)[\d.]+\s*)?$/.test(coding));
}
