import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { hostFileError, isNovaError, packDirectory, packFile, SkippedFiles, type Sandbox } from 'novasandbox';
import type { CopyOptions, CopyResult } from './copy-options.ts';
import { Counter } from './counted.ts';

/** Copies a file or directory of the host into a sandbox: into `path` if that is a directory, otherwise to `path`. */
export async function copyToSandbox(
  sandbox: Sandbox,
  source: string,
  path: string,
  options: CopyOptions,
): Promise<CopyResult> {
  const { user, signal, progress } = options;
  const found = await stat(source).catch((error: unknown) => Promise.reject(hostFileError(error)));
  const intoIt = path.endsWith('/') || (await isDirectory(sandbox, path, options));
  // `folder/.` means the folder's contents, as in cp and docker.
  const contentsOnly = found.isDirectory() && /(^|\/)\.$/.test(source);
  const target = intoIt && !contentsOnly ? `${path.replace(/\/+$/, '')}/${basename(resolve(source))}` : path;
  if (found.isDirectory()) {
    const counter = new Counter(`Copying ${source}`, progress);
    const skipped = new SkippedFiles();
    const packed = counter.count(packDirectory(source, skipped.add));
    const { entries } = await sandbox.files.importTar(target, packed, { user, signal });
    return { entries, bytes: counter.bytes, skipped: skipped.list };
  }
  const counter = new Counter(`Copying ${source}`, progress, found.size);
  if (found.isFile() && (await mayBeReplaced(sandbox, target, options))) {
    const [folder, name] = [dirname(target), basename(target)];
    await sandbox.files.importTar(folder, counter.count(packFile(source, name)), { user, signal });
    return { entries: 1, bytes: found.size, skipped: [] };
  }
  const content = counter.count(createReadStream(source, { highWaterMark: 262_144 }));
  await sandbox.files.write(target, content, { user, signal, mode: found.mode & 0o777 });
  return { entries: 1, bytes: counter.bytes, skipped: [] };
}

/** Copies stdin into a sandbox: as a file, or as an archive into a directory. */
export async function copyStreamToSandbox(
  sandbox: Sandbox,
  source: AsyncIterable<Uint8Array>,
  path: string,
  { archive, user, signal, progress }: CopyOptions,
): Promise<CopyResult> {
  const counter = new Counter('Copying stdin', progress);
  if (!archive) {
    await sandbox.files.write(path, counter.count(source), { user, signal });
    return { entries: 1, bytes: counter.bytes, skipped: [] };
  }
  const { entries } = await sandbox.files.importTar(path, counter.count(source), { user, signal });
  return { entries, bytes: counter.bytes, skipped: [] };
}

/**
 * Whether an archive, which keeps holes and the time, can replace the file. It cannot for a link, nor for files of the
 * kernel (/proc and the like), which can be written to but not created.
 */
async function mayBeReplaced(sandbox: Sandbox, path: string, { user, signal }: CopyOptions): Promise<boolean> {
  try {
    const entry = await sandbox.files.stat(path, { user, signal });
    return entry.type === 'file' && entry.symlinkTarget === null && !/^\/(proc|sys|dev)\//.test(entry.path);
  } catch (error) {
    if (isNovaError(error, 'file_not_found')) return true;
    throw error;
  }
}

async function isDirectory(sandbox: Sandbox, path: string, { user, signal }: CopyOptions): Promise<boolean> {
  try {
    return (await sandbox.files.stat(path, { user, signal })).type === 'directory';
  } catch (error) {
    if (isNovaError(error, 'file_not_found')) return false;
    throw error;
  }
}
