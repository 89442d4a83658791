import { NovaError } from '@novasandbox/protocol';

/** Reads a stream by exact lengths. */
export interface ByteReader {
  /** @throws NovaError `snapshot_damaged` where the stream ends before */
  read(length: number): Promise<Buffer>;
}

export function createByteReader(source: AsyncIterable<Uint8Array>): ByteReader {
  const chunks = source[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  return {
    async read(length) {
      const parts: Buffer[] = [];
      for (let missing = length; missing > 0;) {
        if (rest.length === 0) {
          const next = await chunks.next();
          if (next.done === true) throw new NovaError('snapshot_damaged', 'The saved snapshot ends before its end.');
          rest = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
          continue;
        }
        const part = rest.subarray(0, missing);
        rest = rest.subarray(part.length);
        missing -= part.length;
        parts.push(part);
      }
      const [only] = parts;
      return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
    },
  };
}
