import { constants } from 'node:fs';
import { copyFile, open, rm, type FileHandle } from 'node:fs/promises';
import { runCommand } from '../programs/command.ts';

/** Offset and length in bytes. */
export type Extent = readonly [offset: number, length: number];

const block = 4096;
const chunk = 4 * 1024 * 1024;
const zeros = Buffer.alloc(block);

/**
 * Where a sparse file holds anything but zeros, in blocks of 4 KiB, ascending. Reads the extents that the file system
 * reports as allocated. Where the file system reports none, it reads the whole file with its holes (about 0.5 s per
 * GB). Meant to be called once for a file that is then copied many times.
 */
export async function dataExtents(path: string, signal?: AbortSignal): Promise<Extent[]> {
  await using file = await open(path, 'r');
  const extents: [number, number][] = [];
  const buffer = Buffer.allocUnsafe(chunk);
  const { size } = await file.stat();
  for (const [from, allocated] of (await allocatedExtents(path, signal)) ?? [[0, size] as const]) {
    const end = Math.min(from + allocated, size);
    for (let at = from; at < end;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, Math.min(chunk, end - at), at);
      if (bytesRead === 0) break;
      for (let start = 0; start < bytesRead; start += block) {
        const length = Math.min(block, bytesRead - start);
        if (zeros.compare(buffer, start, start + length, 0, length) === 0) continue;
        const last = extents.at(-1);
        if (last !== undefined && last[0] + last[1] === at + start) last[1] += length;
        else extents.push([at + start, length]);
      }
      at += bytesRead;
    }
  }
  return extents;
}

/**
 * The extents that are not holes, from the file system's own map; null where it keeps none. `filefrag` is part of the
 * package of mke2fs.
 */
async function allocatedExtents(path: string, signal?: AbortSignal): Promise<Extent[] | null> {
  try {
    const map = await runCommand('filefrag', ['-e', '-s', `-b${block}`, path], { signal });
    const rows = [...map.matchAll(/^\s*\d+:\s*(\d+)\.\.\s*(\d+):/gm)];
    return rows.map(([, first, last]) => [Number(first) * block, (Number(last) - Number(first) + 1) * block] as const);
  } catch {
    signal?.throwIfAborted();
    return null;
  }
}

/**
 * Makes `destination` a copy of `source`, in which only `extents` hold data: by reference where the file system
 * supports it, else by copying only these extents. Takes a few ms for a few MB, whatever the size of the file.
 * @param size bytes, of the whole file
 */
export async function copyExtents(
  source: string,
  extents: readonly Extent[],
  destination: string,
  size: number,
): Promise<void> {
  if (await copyByReference(source, destination)) return;
  await using input = await open(source, 'r');
  await using output = await open(destination, 'wx', 0o600);
  try {
    await output.truncate(size);
    const longest = extents.reduce((most, [, length]) => Math.max(most, length), 0);
    const buffer = Buffer.allocUnsafe(Math.min(chunk, longest));
    for (const [offset, length] of extents) {
      for (let done = 0; done < length;) {
        const part = Math.min(buffer.length, length - done);
        done += await copyPart(input, output, buffer, offset + done, part);
      }
    }
  } catch (error) {
    await rm(destination, { force: true });
    throw error;
  }
}

async function copyPart(
  input: FileHandle,
  output: FileHandle,
  buffer: Buffer,
  offset: number,
  length: number,
): Promise<number> {
  const { bytesRead } = await input.read(buffer, 0, length, offset);
  if (bytesRead === 0) throw new Error(`the source ends at ${offset}, before its last extent`);
  await output.write(buffer, 0, bytesRead, offset);
  return bytesRead;
}

async function copyByReference(source: string, destination: string): Promise<boolean> {
  try {
    await copyFile(source, destination, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw error;
    await rm(destination, { force: true });
    return false;
  }
}

/** Copies a large image with its holes, by reference where the file system can. Replaces the destination. */
export async function copySparse(
  source: string,
  destination: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const how = process.platform === 'darwin' ? ['-c'] : ['--reflink=auto', '--sparse=always'];
  try {
    await runCommand('cp', [...how, '--', source, destination], options);
  } catch (error) {
    await rm(destination, { force: true });
    throw error;
  }
}
