import { open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { malformed } from './header.ts';
import { hostFileError } from './host-file-error.ts';
import { readTar, type TarEntry } from './read-tar.ts';
import { writeEntry } from './write-entry.ts';

/**
 * Writes the only file of an archive from a guest to `path`, whatever its name in the archive, with its holes and its
 * modification time. It is written to a temporary file beside `path` and then moved, so a copy that breaks off leaves
 * the old file in place. Returns the number of bytes of data.
 */
export async function extractFile(
  source: AsyncIterable<Uint8Array>,
  path: string,
  { maxBytes }: { readonly maxBytes: number },
): Promise<number> {
  let written: number | null = null;
  for await (const entry of readTar(source)) {
    if (entry.type !== 'file' || written !== null) throw malformed('something other than the requested file');
    if (entry.size > maxBytes) {
      throw new NovaError('host_resource_exhausted', `The file is larger than ${maxBytes} bytes.`, {
        hint: 'Raise the limit.',
      });
    }
    await put(entry, path);
    written = entry.size;
  }
  if (written === null) throw malformed('nothing');
  return written;
}

async function put(entry: TarEntry, path: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.part`);
  try {
    // Makes an error about the folder name the folder.
    await stat(dirname(path));
    const file = await open(temporary, 'wx', entry.mode & 0o777);
    try {
      await writeEntry(file, entry);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw hostFileError(error);
  }
}
