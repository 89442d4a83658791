import { copyFile, mkdtemp, open, rename, rm, stat } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { copyDatabase, prepareLayout, type Layout } from '@novasandbox/engine';
import { NovaError, toNovaError } from '@novasandbox/protocol';
import { databasesOf, plainFilesOf, tar } from './contents.ts';

export interface Backup {
  readonly file: string;
  /** Names of the files in the backup. */
  readonly holds: readonly string[];
  readonly sizeBytes: number;
}

/**
 * Writes the databases, keys and configuration of a state folder into a tar file, completely or not at all. A daemon
 * and other processes may go on using the folder: each database is copied as it is at one moment, including its
 * journal. Disks and images are not in the backup.
 *
 * @throws NovaError `file_exists`; `invalid_argument` where the state folder holds nothing yet;
 * `host_resource_exhausted`, `storage_failed`, `cancelled`
 */
export async function backUp(
  layout: Layout,
  file: string,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<Backup> {
  if (existsSync(file)) throw new NovaError('file_exists', `${file} exists already.`);
  prepareLayout(layout);
  const databases = databasesOf(layout).filter((each) => existsSync(each));
  if (databases.length === 0) {
    throw new NovaError('invalid_argument', `${layout.home} holds nothing that could be backed up.`, {
      hint: 'Name the state folder with NOVA_HOME.',
    });
  }
  await using undo = new AsyncDisposableStack();
  const half = `${file}.${process.pid}.new`;
  // The backup holds keys and environments. The file is created first, because tar keeps the mode of an existing file.
  const handle = undo.use(
    await open(half, 'wx', 0o600).catch((error: unknown) => Promise.reject(notWritable(file, error))),
  );
  undo.defer(() => rm(half, { force: true }));
  const work = await mkdtemp(join(layout.workDirectory, 'backup-'));
  undo.defer(() => rm(work, { recursive: true, force: true }));
  for (const each of databases) copyDatabase(each, join(work, basename(each)));
  const plainFiles = plainFilesOf(layout).filter((each) => existsSync(each));
  for (const each of plainFiles) await copyFile(each, join(work, basename(each)));

  const holds = [...databases, ...plainFiles].map((each) => basename(each));
  await tar(['-cf', half, '-C', work, '--', ...holds], signal);
  await handle.sync();
  await rename(half, file);
  return { file, holds, sizeBytes: (await stat(file)).size };
}

function notWritable(file: string, error: unknown): NovaError {
  const known = toNovaError(error);
  if (known.code !== 'internal') return known;
  return new NovaError('invalid_argument', `${file} cannot be written: ${known.message}`, { cause: error });
}
