import { stat } from 'node:fs/promises';
import type { CopyPath } from '../args/copy-path.ts';
import type { Open } from './copy-all.ts';
import type { CopyOptions } from './copy-options.ts';

/**
 * Returns a destination for several sources in a form that puts each source into it.
 * @throws NovaError if it is not a directory: each source would replace the previous one
 */
export async function directoryAt(open: Open, destination: CopyPath, { user, signal }: CopyOptions): Promise<CopyPath> {
  if (destination.kind === 'stream') return destination;
  const { NovaError, hostFileError } = await import('novasandbox');
  const { path } = destination;
  let found: boolean;
  if (destination.kind === 'host') {
    const file = await stat(path).catch((error: unknown) => Promise.reject(hostFileError(error)));
    found = file.isDirectory();
  } else {
    await using opened = await open(destination.ref);
    found = (await opened.sandbox.files.stat(opened.at(path), { user, signal })).type === 'directory';
  }
  if (!found) throw new NovaError('not_a_directory', `${path}: is not a directory, and several sources need one.`);
  return { ...destination, path: `${path.replace(/\/+$/, '')}/` };
}
