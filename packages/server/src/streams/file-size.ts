import { posix } from 'node:path';
import type { Services } from '../context.ts';

/** The most links that Linux follows. */
const maxLinks = 40;

/** Returns the size of a file, following links: the size of a link itself is the length of its target's name. */
export async function sizeOfFile(
  engine: Services,
  ref: string,
  path: string,
  user: string | undefined,
  signal: AbortSignal,
): Promise<number> {
  let entry = await engine.files.stat(ref, path, user, { signal });
  for (let links = 0; entry.symlinkTarget !== null && links < maxLinks; links++) {
    const target = entry.symlinkTarget;
    // The paths are joined and not normalised: only the guest knows what `..` means behind a link.
    const next = target.startsWith('/') ? target : `${posix.dirname(entry.path)}/${target}`;
    entry = await engine.files.stat(ref, next, user, { signal });
  }
  return entry.size;
}
