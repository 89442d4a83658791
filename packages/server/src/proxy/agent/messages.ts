import { Code, ConnectError } from '@connectrpc/connect';
import { isNovaError } from '@novasandbox/protocol';
import type { HeldBytes } from '../../context.ts';
import { createJsonMeter, type JsonMeter } from '../../bodies/json-meter.ts';

/** Largest message in JSON. It is the input of a process, in base64; files are not sent in messages. */
export const maxMessageBytes = 16 * 1024 * 1024;
/**
 * Largest binary message. The values of a binary message cannot be counted as they arrive, and an empty one takes only
 * two bytes.
 */
const maxBinaryBytes = 1024 * 1024;
/** Size of the flags and the length before each message of a stream. */
const envelopeBytes = 5;

/**
 * Yields the body of a Connect call and checks it as it arrives, like any other JSON. Its bytes are counted in `held`,
 * which the caller disposes with the call. The one message that opens a stream of answers counts only until it has been
 * read. Throws a ConnectError.
 */
export async function* judgedMessages(
  body: AsyncIterable<Uint8Array>,
  contentType: string,
  held: HeldBytes,
): AsyncGenerator<Uint8Array> {
  const streamed = /^application\/connect\+/i.test(contentType);
  const judge = streamed ? ofStream : ofMessage;
  const take = judge(() => (/json/i.test(contentType) ? createJsonMeter() : createBinaryMeter()), held);
  for await (const chunk of body) {
    try {
      take(chunk);
    } catch (error) {
      if (!isNovaError(error)) throw error;
      const code = error.code === 'rate_limited' ? Code.ResourceExhausted : Code.InvalidArgument;
      throw new ConnectError(error.message, code);
    }
    yield chunk;
  }
  if (streamed) held[Symbol.dispose]();
}

type Judge = (newMeter: () => JsonMeter, held: HeldBytes) => (chunk: Uint8Array) => void;

const ofMessage: Judge = (newMeter, held) => {
  const meter = newMeter();
  return (chunk) => {
    held.add(chunk.length);
    meter(chunk);
  };
};

const ofStream: Judge = (newMeter, held) => {
  const envelope = Buffer.alloc(envelopeBytes);
  let known = 0;
  let left = 0;
  let size = 0;
  let meter: JsonMeter = () => undefined;
  return (chunk) => {
    for (let at = 0; at < chunk.length;) {
      if (left === 0) {
        envelope[known] = chunk[at] ?? 0;
        at += 1;
        known += 1;
        if (known < envelopeBytes) continue;
        known = 0;
        // The previous message has been passed on.
        held.add(-size);
        size = 0;
        left = envelope.readUInt32BE(1);
        meter = newMeter();
        continue;
      }
      const part = chunk.subarray(at, at + left);
      at += part.length;
      left -= part.length;
      size += part.length;
      held.add(part.length);
      meter(part);
    }
  };
};

function createBinaryMeter(): JsonMeter {
  let bytes = 0;
  return (part) => {
    bytes += part.length;
    if (bytes > maxBinaryBytes) {
      throw new ConnectError(`a binary message has at most ${maxBinaryBytes} bytes here`, Code.ResourceExhausted);
    }
  };
}
