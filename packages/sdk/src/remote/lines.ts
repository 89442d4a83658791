import type { Readable } from 'node:stream';
import { NovaError } from '@novasandbox/protocol';
import { connectionError } from './remote-error.ts';

/** A line is one piece of output in base64, or one event; both are always far smaller than this. */
const maxLineBytes = 4 * 1024 * 1024;

/** Yields the JSON lines of a streaming response. Leaving the iteration ends the transfer. */
export async function* linesOf(body: Readable, name: string): AsyncGenerator<unknown, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const part of body as AsyncIterable<Buffer>) {
      rest = rest.length === 0 ? part : Buffer.concat([rest, part]);
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        const line = rest.subarray(0, end);
        rest = rest.subarray(end + 1);
        if (line.length > 0) yield parseLine(line, name);
      }
      if (rest.length > maxLineBytes) throw notALine(name);
    }
  } catch (error) {
    throw connectionError(name, error);
  } finally {
    body.destroy();
  }
}

function parseLine(line: Buffer, name: string): unknown {
  try {
    return JSON.parse(line.toString());
  } catch (error) {
    throw notALine(name, error);
  }
}

const notALine = (name: string, cause?: unknown): NovaError =>
  new NovaError('server_unreachable', `${name} has sent an invalid line.`, { cause });
