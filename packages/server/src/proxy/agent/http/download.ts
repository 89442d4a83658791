import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import { answer, failure } from '../../answer.ts';
import { sizeOfFile } from '../../../streams/file-size.ts';
import { pathOf, type Scope } from '../scope.ts';
import { fileProblem } from './problem.ts';
import { rangeOf, type ByteRange } from './range.ts';

/** GET /files: a file of the guest, streamed; in part, or compressed where the client takes that. */
export async function download(scope: Scope, request: IncomingMessage, path: string): Promise<void> {
  const { response, context, info } = scope;
  try {
    const named = pathOf(path);
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    let range: ByteRange | null = null;
    if (request.headers.range !== undefined) {
      const size = await sizeOfFile(context.engine, info.id, named, scope.user, gone.signal);
      const asked = rangeOf(request.headers.range, size);
      if (asked === 'unsatisfiable') {
        response.setHeader('content-range', `bytes */${size}`);
        return answer(response, failure(416, 'the range is beyond the end of the file'));
      }
      range = asked;
      if (range !== null) response.setHeader('content-range', `bytes ${range.first}-${range.last}/${size}`);
    }
    const part = range === null ? {} : { offset: range.first, length: range.last - range.first + 1 };
    await using file = await context.engine.files.read(
      info.id,
      named,
      { ...part, user: scope.user },
      { signal: gone.signal },
    );
    response.statusCode = range === null ? 200 : 206;
    response.setHeader('content-type', 'application/octet-stream');
    response.setHeader('content-disposition', disposition(file.entry.name));
    response.setHeader('accept-ranges', 'bytes');
    response.setHeader('vary', 'Accept-Encoding');
    // No Content-Length: what the guest says of its size need not be what it sends, and files of proc say 0.
    const bytes = Readable.from(file.bytes, { objectMode: false });
    if (range === null && takesGzip(request.headers['accept-encoding'])) {
      response.setHeader('content-encoding', 'gzip');
      await pipeline(bytes, createGzip({ level: constants.Z_BEST_SPEED }), response);
    } else {
      await pipeline(bytes, response);
    }
  } catch (error) {
    if (response.headersSent) response.destroy();
    else {
      for (const name of response.getHeaderNames()) response.removeHeader(name);
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

/** The name is the guest's: written so that it can be nothing but a name. */
function disposition(name: string): string {
  const encoded = encodeURIComponent(name.toWellFormed()).replaceAll(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16)}`,
  );
  return `attachment; filename*=utf-8''${encoded}`;
}
