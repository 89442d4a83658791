import type { NovaError } from '@novasandbox/protocol';
import type { ByteSource, CallOptions } from '../ports/guest-agent.ts';
import { Limits, openLimited } from './call.ts';
import { cancelled, protocolError } from './errors.ts';
import type { Fields, RecordWriter } from './record.ts';
import type { Session } from './session.ts';
import { Silence } from './silence.ts';
import { SourceReader } from './source.ts';
import type { Stream } from './stream.ts';
import { channels } from './numbers.ts';

/**
 * Sends what `source` yields, then waits for the answer. Without a time limit of the call the guest may be silent for
 * 30 s while it is its turn; while it is the source's turn no time counts. However the call ends, the source is
 * closed.
 */
export async function upload<T>(
  session: Session,
  method: number,
  args: RecordWriter,
  source: ByteSource,
  parse: (fields: Fields) => T,
  options?: CallOptions,
): Promise<T> {
  const reader = new SourceReader(source);
  const answer = Promise.withResolvers<T>();
  answer.promise.catch(() => {});
  const silence = new Silence(options?.timeoutMs === undefined, (error) => stream?.abandon(error));
  let stream: Stream | null = null;
  let finished = false;
  try {
    const limits = new Limits(options, 0, (error) => stream?.abandon(error));
    const release = (): void => {
      limits.release();
      silence.end();
      reader.interrupt();
    };
    const handler = {
      credit: () => silence.heard(),
      result: (fields: Fields) => {
        if (!finished) throw protocolError('an answer before everything was sent');
        answer.resolve(parse(fields));
        release();
      },
      failed: (error: NovaError) => {
        answer.reject(error);
        release();
      },
    };
    const opened = openLimited(limits, () => session.open(method, args, 'file', handler));
    stream = opened;
    await sendAll(opened, reader, silence);
    if (!opened.closed) {
      finished = true;
      opened.finish();
      silence.begin();
    }
    return await answer.promise;
  } catch (error) {
    stream?.abandon(cancelled(error));
    throw error;
  } finally {
    reader.close();
  }
}

/**
 * Resolves when the source is at its end or the stream has closed; the answer tells which. Rejects with the errors of
 * the source.
 */
async function sendAll(stream: Stream, reader: SourceReader, silence: Silence): Promise<void> {
  for (;;) {
    // A small upload leaves in one write, because only real promises are awaited.
    const next = reader.next();
    const bytes = next instanceof Promise ? await next : next;
    if (bytes === null || stream.closed) return;
    const sent = stream.send(channels.content, bytes);
    if (sent === undefined) continue;
    silence.begin();
    try {
      await sent;
    } catch {
      return;
    }
    silence.pause();
  }
}
