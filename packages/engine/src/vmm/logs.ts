import { closeSync, constants, ftruncateSync, openSync, writeSync, type Stats } from 'node:fs';
import { lstat, open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { removeFolder } from './remove-folder.ts';

/** The output of the guest's console. */
export const consoleLog = 'console.log';
/** The output of the VMM itself. */
export const vmmLog = 'vmm.log';

/** The largest size of a log. */
export const logBytes = 4 << 20;
/** How much of a full log is kept when it starts over. */
const keptBytes = 64 << 10;
/** The unit in which stat(2) counts blocks. */
const blockBytes = 512;

/**
 * Makes a log for a process that appends to it and may write no file beyond `maxFileBytes` (`ulimit -f`, confine.ts). A
 * guest may write to its console without end, and perhaps no process of ours runs to limit it. So the log begins with a
 * hole, which takes no space, and ends `logBytes` after the hole at that limit, where the kernel refuses more. Without
 * a limit there is no hole. The end of an earlier log comes first.
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
      `The machine is too large: the file system of ${path} cannot hold a file of ${gigabytes} GiB.`,
      { cause: error },
    );
  }
}

/** Creates the log; null where there is one already. */
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
 * Truncates full logs to their last lines. Logs are written in append mode, so a running writer continues from there.
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

/**
 * Moves the ends of the logs of a running VMM to the largest file that it may write from now on, so that they stay as
 * short as they were. Only the last lines are kept.
 */
export async function moveLogs(directory: string, maxFileBytes: number): Promise<void> {
  for (const name of [consoleLog, vmmLog]) {
    await using file = await openFile(join(directory, name), constants.O_RDWR | constants.O_APPEND);
    if (file === null) continue;
    const last = await tailOf(file, keptBytes);
    await file.truncate(0);
    await file.truncate(maxFileBytes - logBytes);
    await file.write(last);
  }
}

/** Whether a log takes as much of the disk as it may; its hole takes no space. */
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

/** Leaves out the zeros as which the hole at the beginning is read. */
async function tailOf(file: FileHandle, bytes: number): Promise<Buffer> {
  const { size } = await file.stat();
  const length = Math.min(size, bytes, logBytes);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
  const start = buffer.subarray(0, bytesRead).findIndex((byte) => byte !== 0);
  return start < 0 ? Buffer.alloc(0) : buffer.subarray(start, bytesRead);
}
