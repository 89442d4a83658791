import { once } from 'node:events';
import { open, rename, rm, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { extractFile, extractTar, hostFileError, NovaError, type Entry, type Sandbox } from 'novasandbox';
import type { CopyOptions, CopyResult } from './copy-options.ts';
import { Counter } from './counted.ts';

/**
 * Files of this size go as an archive, which keeps their holes. Smaller ones are read as they are: the kernel's own files say sizes that they do not
 * have.
 */
const mayHaveHoles = 1024 * 1024;

/** Copies a file or directory of a sandbox to the host: into `target` where that is a directory, as `target` else. */
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

/** Copies out of a sandbox into a stream: a file as it is, a directory as a tar archive. */
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

/** What is there, when it can be copied: a device would go on for ever. */
async function copyable(sandbox: Sandbox, path: string, { user, signal }: CopyOptions): Promise<Entry> {
  const entry = await sandbox.files.stat(path, { user, signal });
  if (entry.type === 'file' || entry.type === 'directory') return entry;
  if (entry.type === 'symlink') throw new NovaError('file_not_found', `${path} is a link that leads nowhere.`);
  throw new NovaError('invalid_argument', `${path} is neither a file nor a directory.`);
}

/** Written beside its place and then moved there: a copy that breaks off leaves what was there before. */
async function writeHostFile(path: string, content: AsyncIterable<Uint8Array>, mode: number): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.part`);
  try {
    const file = await open(temporary, 'wx', mode & 0o777);
    try {
      for await (const part of content) await file.writeFile(part);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw hostFileError(asTyped(error, path));
  }
}

/** Errors about the temporary file are reported with the name of the file that was asked for. */
function asTyped(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  const what = /^\w+: (.*?), /.exec(error.message)?.[1] ?? String(code);
  return Object.assign(new Error(`${String(code)}: ${what}, ${path}`, { cause: error }), { code, syscall });
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

/** The last part of a guest's path, as the caller wrote it: never what the guest says. */
function nameOf(path: string): string {
  const name = basename(path);
  if (name === '' || name === '.' || name === '..') {
    throw new NovaError('invalid_argument', `"${path}" has no name to copy it by: name the destination.`);
  }
  return name;
}

async function isHostDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
