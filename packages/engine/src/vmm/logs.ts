import { open, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';

/** What the guest writes to its console. */
export const consoleLog = 'console.log';
/** What the VMM itself says. */
export const vmmLog = 'vmm.log';

/** A guest may write to its console without end; beyond this the log begins anew. */
const maxLogBytes = 4 << 20;

/** The last bytes of a file as text; empty when there is none. */
export async function fileTail(path: string, bytes: number): Promise<string> {
  let file;
  try {
    file = await open(path, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = await file.stat();
    const length = Math.min(size, bytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await file.close();
  }
}

/** Empties logs that have grown too large. They are written in append mode, so the writer goes on from the start. */
export async function boundLogs(directory: string): Promise<void> {
  for (const name of [consoleLog, vmmLog]) {
    const path = join(directory, name);
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    );
    if (size > maxLogBytes) await truncate(path);
  }
}
