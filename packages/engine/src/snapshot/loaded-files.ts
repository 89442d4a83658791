import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import { endOfParts, maxPieceBytes, pieceHeadBytes, type Header } from './archive.ts';
import type { ByteReader } from './byte-reader.ts';

interface Target {
  readonly file: FileHandle;
  readonly sizeBytes: number;
  /** Bytes that may still come. */
  left: number;
  /** Where the next piece may begin at the earliest. */
  from: number;
}

/** Writes the parts of a saved snapshot into the folders of their places below `work`. */
export async function readParts(
  reader: ByteReader,
  { parts }: Header,
  work: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const targets: Target[] = [];
  for (const { place, name, sizeBytes, dataBytes } of parts) {
    const file = opened.use(await open(join(work, place, name), 'wx', 0o600));
    await file.truncate(sizeBytes);
    targets.push({ file, sizeBytes, left: dataBytes, from: 0 });
  }
  for (;;) {
    throwIfAborted(signal, 'while a snapshot was loaded');
    const head = await reader.read(pieceHeadBytes);
    const part = head.readUInt32LE(0);
    const offset = Number(head.readBigUInt64LE(4));
    const length = head.readUInt32LE(12);
    if (part === endOfParts && length === 0) break;
    const target = targets[part];
    if (target === undefined || length === 0 || length > maxPieceBytes || length > target.left) throw damaged();
    if (offset < target.from || offset + length > target.sizeBytes) throw damaged();
    await target.file.write(await reader.read(length), 0, length, offset);
    target.left -= length;
    target.from = offset + length;
  }
  for (const { file } of targets) await file.sync();
}

const damaged = (): NovaError =>
  new NovaError('snapshot_damaged', 'The saved snapshot holds pieces that no such file has.');
