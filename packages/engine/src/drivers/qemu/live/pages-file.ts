import type { FileHandle } from 'node:fs/promises';
import type { ClonedMemory, PageRun } from './guest-memory.ts';

/** Name of the file in a snapshot's folder. */
export const pagesFile = 'pages';

/**
 * Magic number at the start of the file. The file holds the pages in which a guest's memory differs from its
 * template's: magic, sizes and places (`Header` and `Run` of host/confine/src/guest_memory/pages.rs, 64-bit
 * little-endian numbers), then the pages. A library that is loaded into QEMU maps them over the template's memory, so
 * that children share them until they write.
 */
const magic = 'NOVAPAGE';
const headerBytes = 32;
const runBytes = 16;
/** Pages begin where any host can map them: pages of arm64 hosts have up to 64 KiB. */
const alignment = 1 << 16;
const chunkBytes = 1 << 20;
/** Chunks that are read while others are written. */
const chunksAtOnce = 4;

/** Offset of the pages in a file with that number of runs, bytes. */
export const dataOffset = (runs: number): number => Math.ceil((headerBytes + runs * runBytes) / alignment) * alignment;

/** Writes the file. Returns how many bytes of memory it holds. */
export async function writePagesFile(
  memory: ClonedMemory,
  runs: readonly PageRun[],
  memoryBytes: number,
  output: FileHandle,
): Promise<number> {
  const data = dataOffset(runs.length);
  const head = Buffer.alloc(headerBytes + runs.length * runBytes);
  head.write(magic, 'latin1');
  for (const [index, value] of [memoryBytes, data, runs.length].entries())
    head.writeBigUInt64LE(BigInt(value), 8 + index * 8);
  for (const [index, { offset, length }] of runs.entries()) {
    head.writeBigUInt64LE(BigInt(offset), headerBytes + index * runBytes);
    head.writeBigUInt64LE(BigInt(length), headerBytes + index * runBytes + 8);
  }
  await output.write(head, 0, head.length, 0);
  const chunks = chunksOf(runs, data);
  const copy = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafeSlow(chunkBytes);
    for (const { from, to, length } of chunks) {
      const part = buffer.subarray(0, length);
      await memory.read(from, part);
      await output.write(part, 0, length, to);
    }
  };
  await Promise.all(Array.from({ length: chunksAtOnce }, copy));
  return runs.reduce((total, { length }) => total + length, 0);
}

/** Yields the pieces that are copied from the memory to the file. */
function* chunksOf(runs: readonly PageRun[], data: number): Generator<{ from: number; to: number; length: number }> {
  let to = data;
  for (const { offset, length } of runs) {
    for (let done = 0; done < length; done += chunkBytes) {
      const part = Math.min(chunkBytes, length - done);
      yield { from: offset + done, to, length: part };
      to += part;
    }
  }
}
