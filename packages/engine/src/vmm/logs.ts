import { closeSync, constants, ftruncateSync, openSync, writeSync, type Stats } from 'node:fs';
import { lstat, open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { removeFolder } from './remove-folder.ts';

/** What the guest writes to its console. */
export const consoleLog = 'console.log';
/** What the VMM itself says. */
export const vmmLog = 'vmm.log';

/** As much of a log is kept. */
export const logBytes = 4 << 20;
/** As much of a full log is kept when it begins anew. */
const keptBytes = 64 << 10;
/** stat(2) counts in these. */
const blockBytes = 512;

/**
 * Makes a log for a process that appends to it and may write no file beyond `maxFileBytes` (`ulimit -f`, confine.ts). A guest may write to its console
 * without end, and no process of ours need be there to see it: so the log begins with a hole, which takes no space, and ends `logBytes` after it at
 * that limit, where the kernel refuses more. Without a limit there is no hole. The last words of an earlier log come first.
 */
export async function makeLog(path: string, maxFileBytes = 0): Promise<void> {
  const start = Math.max(0, maxFileBytes - logBytes);
  let before = '';
  let log = create(path);
  if (log === null) {
    before = await fileTail(path, keptBytes);
    await removeFolder(path);
    log = openSync(path, 'wx', 0o600);
  }
  try {
    if (start > 0) leaveHole(log, start, path);
    if (before !== '') writeSync(log, before, start);
  } finally {
    closeSync(log);
  }
}

function leaveHole(log: number, bytes: number, path: string): void {
  try {
    ftruncateSync(log, bytes);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EFBIG')) throw error;
    const gigabytes = Math.ceil(bytes / 2 ** 30);
    throw new NovaError(
      'vmm_failed',
      `The machine is too large: the file system of ${path} keeps no file of ${gigabytes} GiB.`,
      { cause: error },
    );
  }
}

/** Null where there is one. */
function create(path: string): number | null {
  try {
    return openSync(path, 'wx', 0o600);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return null;
    throw error;
  }
}

/** The last bytes of a log as text, at most `logBytes`; empty when there is none. A link is not followed. */
export async function fileTail(path: string, bytes: number): Promise<string> {
  await using file = await openFile(path, constants.O_RDONLY);
  return file === null ? '' : (await tailOf(file, bytes)).toString('utf8');
}

/**
 * Has logs that are full begin anew with their last words. They are written in append mode, so the writer goes on from there; it may be running.
 */
export async function boundLogs(directory: string): Promise<void> {
  for (const name of [consoleLog, vmmLog]) {
    const path = join(directory, name);
    if (!isFull(await lstat(path).catch(() => null))) continue;
    await using file = await openFile(path, constants.O_RDWR | constants.O_APPEND);
    if (file === null) continue;
    const { size, blocks } = await file.stat();
    const last = await tailOf(file, keptBytes);
    await file.truncate(Math.max(0, size - blocks * blockBytes));
    await file.write(last);
  }
}

/** What a log takes of the disk, without the hole. */
const isFull = (found: Stats | null): boolean => found !== null && found.blocks * blockBytes >= logBytes - keptBytes;

/** Null where there is no file, or something else. */
async function openFile(path: string, flags: number): Promise<FileHandle | null> {
  let file;
  try {
    file = await open(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return null;
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  return null;
}

/** Without what the hole before it reads as. */
async function tailOf(file: FileHandle, bytes: number): Promise<Buffer> {
  const { size } = await file.stat();
  const length = Math.min(size, bytes, logBytes);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
  const start = buffer.subarray(0, bytesRead).findIndex((byte) => byte !== 0);
  return start < 0 ? Buffer.alloc(0) : buffer.subarray(start, bytesRead);
}
