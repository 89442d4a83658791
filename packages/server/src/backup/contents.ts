import { basename } from 'node:path';
import { CommandFailure, runCommand, type Layout } from '@novasandbox/engine';
import { NovaError } from '@novasandbox/protocol';

/**
 * The files of a backup, where they exist: everything in a state folder that cannot be made again. All of them lie
 * directly in the state folder.
 */
export const databasesOf = ({ storeFile, daemon }: Layout): readonly string[] => [storeFile, daemon.database];
export const plainFilesOf = ({ daemon }: Layout): readonly string[] => [
  daemon.keyFile,
  daemon.secretFile,
  daemon.configFile,
];
export const namesOf = (layout: Layout): readonly string[] =>
  [...databasesOf(layout), ...plainFilesOf(layout)].map((file) => basename(file));

/** Runs tar; its output becomes the message of the error. */
export async function tar(argv: readonly string[], signal: AbortSignal | undefined): Promise<string> {
  try {
    return await runCommand('tar', argv, { signal });
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    const full = /no space/i.test(error.tail);
    throw new NovaError(full ? 'host_resource_exhausted' : 'storage_failed', error.message, { cause: error });
  }
}
