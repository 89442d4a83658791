import { NovaError } from '@novasandbox/protocol';

/** Content to write to a file. Text is encoded as UTF-8; web and Node streams are async iterables. */
export type FileContent = string | Uint8Array | ArrayBuffer | Blob | AsyncIterable<string | Uint8Array>;

/** Converts any content to a stream of bytes. */
export async function* contentBytes(content: FileContent): AsyncGenerator<Uint8Array, void, undefined> {
  if (typeof content === 'string') yield new TextEncoder().encode(content);
  else if (content instanceof Uint8Array) yield content;
  else if (content instanceof ArrayBuffer) yield new Uint8Array(content);
  else if (content instanceof Blob) yield* content.stream();
  else {
    for await (const part of content) yield typeof part === 'string' ? new TextEncoder().encode(part) : part;
  }
}

/** Reads a stream into memory, up to `maxBytes`: the guest decides how much it sends. */
export async function collect(stream: AsyncIterable<Uint8Array>, maxBytes: number, what: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of stream) {
    length += part.length;
    if (length > maxBytes) {
      throw new NovaError('host_resource_exhausted', `${what} is larger than ${maxBytes} bytes.`, {
        hint: 'Use files.readStream, or raise maxBytes.',
      });
    }
    parts.push(part);
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
