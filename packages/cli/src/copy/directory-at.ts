import { stat } from 'node:fs/promises';
import type { Engine } from '@novasandbox/engine';
import type { CopyPath } from '../args/copy-path.ts';
import type { CopyOptions } from './copy-options.ts';

/**
 * A destination that several sources go into, written so that each goes into it.
 * @throws NovaError where it is no directory: one source after the other would take the place of the one before
 */
export async function directoryAt(
  engine: Engine,
  destination: CopyPath,
  { user, signal }: CopyOptions,
): Promise<CopyPath> {
  if (destination.kind === 'stream') return destination;
  const { NovaError, hostFileError, Sandbox } = await import('novasandbox');
  const { path } = destination;
  let found: boolean;
  if (destination.kind === 'host') {
    const file = await stat(path).catch((error: unknown) => Promise.reject(hostFileError(error)));
    found = file.isDirectory();
  } else {
    await using sandbox = await Sandbox.connect(destination.ref, { engine });
    found = (await sandbox.files.stat(path, { user, signal })).type === 'directory';
  }
  if (!found) throw new NovaError('not_a_directory', `${path}: is not a directory, and several sources need one.`);
  return { ...destination, path: `${path.replace(/\/+$/, '')}/` };
}
