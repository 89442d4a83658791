import { open, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, pipeline } from 'node:stream';
import { constants, createZstdCompress } from 'node:zlib';
import { rootImageFiles } from '../images/manifest.ts';
import { dataExtents, type Extent } from '../artifacts/sparse.ts';
import type { EngineContext } from '../context.ts';
import type { CallContext } from '../services.ts';
import { endOfParts, magic, maxPieceBytes, pieceHeadBytes, type Header, type Part } from './archive.ts';
import { requireWhole } from '../memory/kept.ts';
import { memoryOf } from './continue.ts';
import { findSnapshot } from './find.ts';

/** A part with the file that holds it. */
interface Source {
  readonly part: Part;
  readonly path: string;
  readonly extents: readonly Extent[];
}

/**
 * A snapshot as one stream, with all that its memory needs elsewhere: the golden snapshot that it is the difference
 * from, and the root image.
 */
export async function saveSnapshot(
  context: EngineContext,
  ref: string,
  { signal }: CallContext = {},
): Promise<AsyncIterable<Uint8Array> & AsyncDisposable> {
  const snapshot = findSnapshot(context, ref);
  const folder = context.layout.snapshot(snapshot.id);
  const manifest = await requireWhole(folder, snapshot.id, signal);
  const files: [Part['place'], string, Part['name']][] = [];
  for (const name of Object.keys(manifest.files) as Part['name'][]) files.push(['snapshot', join(folder, name), name]);
  if (snapshot.kind === 'memory') {
    const memory = await memoryOf(context, snapshot, signal);
    const { memoryFrom } = memory.files;
    if (memoryFrom !== undefined)
      for (const name of ['ram', 'state'] as const) files.push(['golden', join(memoryFrom, name), name]);
    if (snapshot.config.rootfsPath === undefined)
      for (const name of [rootImageFiles.image, rootImageFiles.manifest] as const)
        files.push(['root', join(dirname(memory.root.path), name), name]);
  }
  const sources: Source[] = [];
  for (const [place, path, name] of files) {
    const extents = await dataExtents(path, signal);
    const dataBytes = extents.reduce((total, [, length]) => total + length, 0);
    sources.push({ part: { place, name, sizeBytes: (await stat(path)).size, dataBytes }, path, extents });
  }
  const header: Header = { version: 1, manifest, parts: sources.map(({ part }) => part) };
  const compress = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  const stream = pipeline(Readable.from(contents(header, sources)), compress, () => undefined);
  const abort = (): void => void stream.destroy(signal?.reason instanceof Error ? signal.reason : undefined);
  signal?.addEventListener('abort', abort, { once: true });
  return {
    [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>,
    [Symbol.asyncDispose]() {
      signal?.removeEventListener('abort', abort);
      stream.destroy();
      return Promise.resolve();
    },
  };
}

async function* contents(header: Header, sources: readonly Source[]): AsyncGenerator<Buffer> {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  yield Buffer.concat([magic, length, text]);
  for (const [index, { path, extents }] of sources.entries()) {
    await using file = await open(path, 'r');
    for (const [offset, size] of extents) {
      for (let done = 0; done < size;) {
        const wanted = Math.min(maxPieceBytes, size - done);
        const piece = Buffer.allocUnsafe(pieceHeadBytes + wanted);
        const { bytesRead } = await file.read(piece, pieceHeadBytes, wanted, offset + done);
        // The last block of a file need not be whole.
        if (bytesRead === 0) break;
        writeHead(piece, index, offset + done, bytesRead);
        yield piece.subarray(0, pieceHeadBytes + bytesRead);
        done += bytesRead;
      }
    }
  }
  const end = Buffer.alloc(pieceHeadBytes);
  writeHead(end, endOfParts, 0, 0);
  yield end;
}

function writeHead(piece: Buffer, part: number, offset: number, length: number): void {
  piece.writeUInt32LE(part, 0);
  piece.writeBigUInt64LE(BigInt(offset), 4);
  piece.writeUInt32LE(length, 12);
}
