import type { Engine } from '@novasandbox/engine';
import type { SandboxInfo } from '@novasandbox/protocol';
import { printable, printableName } from '@novasandbox/protocol/visible';
import type { CopyOptions } from '../copy/copy-options.ts';
import type { Copied } from './sort.ts';

export interface Telling {
  /** Report failures only. */
  readonly quiet: boolean;
  /** Whether the sandbox, with all changes in it, is removed when its command ends. */
  readonly goesWithCommand: boolean;
}

/**
 * Copies the volumes of `-v` into a sandbox in which nothing runs yet, and says that they are copies. If that fails,
 * the sandbox is removed.
 */
export async function copyVolumesIn(
  engine: Engine,
  sandbox: SandboxInfo,
  copies: readonly Copied[],
  how: Pick<CopyOptions, 'signal' | 'progress'>,
  { quiet, goesWithCommand }: Telling,
): Promise<void> {
  if (copies.length === 0) return;
  await using undo = new AsyncDisposableStack();
  undo.defer(() => engine.sandboxes.remove(sandbox.id, { force: true }));
  const { Sandbox } = await import('novasandbox');
  const { copyToSandbox } = await import('../copy/to-sandbox.ts');
  await using guest = await Sandbox.connect(sandbox.id, { engine });
  for (const { hostPath, guestPath, isFolder } of copies) {
    // Copies a folder's contents: as in docker, the guest's path is the folder itself.
    const source = isFolder ? `${hostPath}/.` : hostPath;
    const { skipped } = await copyToSandbox(guest, source, guestPath, {
      ...how,
      archive: false,
      maxBytes: Number.POSITIVE_INFINITY,
    });
    for (const { path, reason } of quiet ? [] : skipped)
      process.stderr.write(`nova: left out ${printableName(path)}: ${printableName(reason)}\n`);
  }
  undo.move();
  const note = quiet ? null : noteOfCopies(copies, sandbox.name ?? sandbox.id, goesWithCommand);
  if (note !== null) process.stderr.write(`nova: ${printable(note)}\n`);
}

/** A user who expects docker's mounts could lose work in a copy. Null if all copies are read only. */
export function noteOfCopies(copies: readonly Copied[], name: string, goesWithCommand: boolean): string | null {
  const [first, ...more] = copies.filter(({ readOnly }) => !readOnly);
  if (first === undefined) return null;
  const { hostPath, guestPath, isFolder } = first;
  const paths = more.length === 0 ? guestPath : `${guestPath} and ${more.length} more`;
  const remedy = goesWithCommand
    ? 'and go with it: "nova create -v", "nova exec" and "nova cp" keep them'
    : `until "nova cp ${name}:${guestPath}${isFolder ? '/.' : ''} ${hostPath}" copies them out`;
  return `${paths}: a copy. Changes stay in the sandbox ${remedy} (:ro says that none are meant).`;
}
