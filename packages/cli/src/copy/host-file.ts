import { open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hostFileError } from 'novasandbox';

/**
 * Writes to a temporary file beside `path` and then moves it, so a copy that breaks off leaves the old file in place. A
 * pipe or a device is written to as it is.
 */
export async function writeHostFile(path: string, content: AsyncIterable<Uint8Array>, mode: number): Promise<void> {
  const found = await stat(path).catch(() => null);
  const isFile = found === null || found.isFile();
  const temporary = isFile ? join(dirname(path), `.${basename(path)}.${process.pid}.part`) : path;
  try {
    const file = await open(temporary, isFile ? 'wx' : 'w', mode & 0o777);
    try {
      for await (const part of content) await file.writeFile(part);
    } finally {
      await file.close();
    }
    if (isFile) await rename(temporary, path);
  } catch (error) {
    if (isFile) await rm(temporary, { force: true });
    throw hostFileError(asTyped(error, path));
  }
}

/** Makes errors about the temporary file name the file that was asked for. */
function asTyped(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  const what = /^\w+: (.*?), /.exec(error.message)?.[1] ?? String(code);
  return Object.assign(new Error(`${String(code)}: ${what}, ${path}`, { cause: error }), { code, syscall });
}
