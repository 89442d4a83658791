import { once } from 'node:events';
import { stat, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Writable } from 'node:stream';
import { extractFile, extractTar, NovaError, type Entry, type Sandbox } from 'novasandbox';
import type { CopyOptions, CopyResult } from './copy-options.ts';
import { Counter } from './counted.ts';
import { writeHostFile } from './host-file.ts';

/**
 * Files of at least this size are copied as an archive, which keeps their holes. Smaller files are read directly: files
 * in /proc and the like report wrong sizes.
 */
const mayHaveHoles = 1024 * 1024;

/** Copies a file or directory of a sandbox to the host: into `target` if that is a directory, otherwise to `target`. */
export async function copyFromSandbox(
  sandbox: Sandbox,
  path: string,
  target: string,
  options: CopyOptions,
): Promise<CopyResult> {
  const { user, signal, progress, maxBytes } = options;
  const entry = await copyable(sandbox, path, options);
  const contentsOnly = entry.type === 'directory' && /(^|\/)\.$/.test(path);
  const intoIt = target.endsWith('/') || (await isHostDirectory(target));
  const destination = intoIt && !contentsOnly ? join(target, nameOf(path)) : target;
  const counter = new Counter(`Copying ${path}`, progress, entry.type === 'file' ? entry.size : undefined);
  if (entry.type === 'directory') {
    await using tar = await sandbox.files.exportTar(path, { user, signal });
    return await extractTar(counter.count(tar), destination, { maxBytes });
  }
  if (entry.size >= mayHaveHoles) {
    await using tar = await sandbox.files.exportTar(path, { user, signal });
    await extractFile(counter.count(tar), destination, { maxBytes });
    return { entries: 1, bytes: counter.bytes, skipped: [] };
  }
  await using content = await sandbox.files.readStream(path, { user, signal });
  await writeHostFile(destination, bounded(counter.count(content), maxBytes, path), entry.mode);
  const modified = new Date(entry.modifiedAt);
  await utimes(destination, modified, modified).catch(() => undefined);
  return { entries: 1, bytes: counter.bytes, skipped: [] };
}

/** Copies from a sandbox to a stream: a file as its contents, a directory as a tar archive. */
export async function copyFromSandboxToStream(
  sandbox: Sandbox,
  path: string,
  target: Writable,
  options: CopyOptions,
): Promise<CopyResult> {
  const { user, signal, progress, archive } = options;
  const entry = await copyable(sandbox, path, options);
  const counter = new Counter(`Copying ${path}`, progress, entry.type === 'file' ? entry.size : undefined);
  await using source =
    archive || entry.type === 'directory'
      ? await sandbox.files.exportTar(path, { user, signal })
      : await sandbox.files.readStream(path, { user, signal });
  for await (const part of counter.count(source)) {
    if (!target.write(part)) await once(target, 'drain', { signal });
  }
  return { entries: 1, bytes: counter.bytes, skipped: [] };
}

/** Returns the entry if it can be copied: reading a device would never end. */
async function copyable(sandbox: Sandbox, path: string, { user, signal }: CopyOptions): Promise<Entry> {
  const entry = await sandbox.files.stat(path, { user, signal });
  if (entry.type === 'file' || entry.type === 'directory') return entry;
  if (entry.type === 'symlink') throw new NovaError('file_not_found', `${path} is a link that leads nowhere.`);
  throw new NovaError('invalid_argument', `${path} is neither a file nor a directory.`);
}

async function* bounded(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
  path: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0;
  for await (const part of source) {
    bytes += part.length;
    if (bytes > maxBytes) {
      throw new NovaError('host_resource_exhausted', `${path} is larger than ${maxBytes} bytes.`, {
        hint: 'Raise the limit with --max-size.',
      });
    }
    yield part;
  }
}

/** Returns the last part of a guest's path as the caller wrote it, never as the guest reports it. */
function nameOf(path: string): string {
  const name = basename(path);
  if (name === '' || name === '.' || name === '..') {
    throw new NovaError('invalid_argument', `"${path}" has no file name: give the full destination.`);
  }
  return name;
}

async function isHostDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
