import { posix } from 'node:path';
import type { Services } from '../context.ts';

/** Linux follows no more. */
const maxLinks = 40;

/** The size of a file, or of what a link leads to: a link's own is the length of its target's name. */
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
    // Joined, not resolved: the guest knows what `..` means behind a link.
    const next = target.startsWith('/') ? target : `${posix.dirname(entry.path)}/${target}`;
    entry = await engine.files.stat(ref, next, user, { signal });
  }
  return entry.size;
}
