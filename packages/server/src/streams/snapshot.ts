import { Readable } from 'node:stream';
import { inBackground } from '@novasandbox/engine';
import { attachment } from '../bodies/attachment.ts';
import type { StreamAnswer } from './answer.ts';

/** Answers with a snapshot as a file. It is read only as fast as the client takes it. */
export function snapshotAnswer(name: string, bytes: AsyncIterable<Uint8Array> & AsyncDisposable): StreamAnswer {
  const body = Readable.from(bytes, { objectMode: false });
  // A client that leaves before the first byte is read ends the body too, and then no iteration would close the source.
  body.once('close', () => inBackground('closing an export', async () => bytes[Symbol.asyncDispose]()));
  return {
    headers: {
      'content-type': 'application/octet-stream',
      'content-disposition': attachment(`${name}.novasnap`),
    },
    body,
  };
}
