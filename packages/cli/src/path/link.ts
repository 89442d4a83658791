import { lstat, readlink, realpath, rm, symlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { makeFolder } from '@novasandbox/engine';
import { NovaError } from '@novasandbox/protocol';

/** Result of an operation on the link. */
export type LinkState = 'made' | 'present' | 'removed' | 'absent';

/**
 * Creates `link` to `script` if nothing has that name yet. The system call either creates the link or fails: nothing is
 * ever replaced.
 * @throws NovaError `file_exists` if something else has the name, `permission_denied` if the folder is not writable
 */
export async function makeLink(link: string, script: string): Promise<LinkState> {
  if (await leadsTo(link, script)) return 'present';
  await requireFree(link);
  try {
    await makeFolder(dirname(link));
    await symlink(script, link);
  } catch (error) {
    // Another process may have created it in the meantime.
    if (await leadsTo(link, script)) return 'present';
    await requireFree(link);
    throw refused(link, error);
  }
  return 'made';
}

/**
 * Removes `link` if it leads to `script`.
 * @throws NovaError `file_exists` if it is something else, `permission_denied` if it cannot be removed
 */
export async function removeLink(link: string, script: string): Promise<LinkState> {
  if (!(await leadsTo(link, script))) {
    await requireFree(link);
    return 'absent';
  }
  try {
    await rm(link);
  } catch (error) {
    throw refused(link, error);
  }
  return 'removed';
}

/** Whether it is a link that leads to the script, directly or through other links. */
async function leadsTo(link: string, script: string): Promise<boolean> {
  const target = await readlink(link).catch(() => null);
  if (target === null) return false;
  if (resolve(dirname(link), target) === script) return true;
  const [found, wanted] = await Promise.all([link, script].map((path) => realpath(path).catch(() => null)));
  return found !== null && found === wanted;
}

async function requireFree(link: string): Promise<void> {
  const there = await lstat(link).catch(() => null);
  if (there === null) return;
  const target = there.isSymbolicLink() ? await readlink(link).catch(() => '') : '';
  const what = target === '' ? `${link} is there already` : `${link} leads to ${target}`;
  throw new NovaError('file_exists', `${what}, and is not ours: it is left alone.`, {
    hint: 'Remove it yourself, or name another folder of your PATH: nova setup path FOLDER.',
  });
}

function refused(link: string, cause: unknown): NovaError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new NovaError('permission_denied', `${link} cannot be changed: ${reason}`, {
    cause,
    hint: 'Name a folder of your PATH that you may write to (nova setup path FOLDER), or run it as root.',
  });
}

/**
 * Returns the script to link to.
 * @throws NovaError `feature_unsupported` in a copy that npx may remove at any time
 */
export function scriptOf(root: string): string {
  const script = join(root, 'nova');
  if (!script.split('/').includes('_npx')) return script;
  throw new NovaError(
    'feature_unsupported',
    'This NovaSandbox is in the cache of npx, which may remove it at any time.',
    {
      hint: 'Install it: npm install --global novasandbox puts nova into the PATH.',
    },
  );
}
