import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { isMapped } from './vmm/mapped-ids.ts';

/**
 * Refuses a folder of ours that another user could replace with one of their own, such as a folder below /tmp that they
 * made first: that user would decide which programs run here. The folder need not exist yet. VMMs run as users of their
 * own, so for root the parents of the folder must let them pass.
 * @throws NovaError `set_up_failed`
 */
export function requireOwn(folder: string): void {
  requireWay(folder, folder, false, mostLinks);
}

/** The most links that Linux follows in one path. */
const mostLinks = 40;

/** Checks a path and all its parents. Where one is a link, it also checks the path that the link names. */
function requireWay(folder: string, path: string, isAbove: boolean, linksLeft: number): void {
  for (let each = path, above = isAbove; ; each = dirname(each), above = true) {
    const found = lookAt(each);
    if (found !== undefined) requireTrusted(folder, each, found, above);
    if (found?.isSymbolicLink() === true) {
      if (linksLeft === 0) throw new NovaError('set_up_failed', `The folder ${folder} is a link that leads nowhere.`);
      requireWay(folder, resolve(dirname(each), readlinkSync(each)), above, linksLeft - 1);
    }
    if (each === dirname(each)) return;
  }
}

/** A path below a file counts as missing here. The error comes when the folder is made. */
function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function requireTrusted(folder: string, path: string, found: Stats, isAbove: boolean): void {
  const what = isAbove ? `${folder} lies below ${path}, which` : `${path}`;
  const refuse = (why: string, hint: string): never => {
    throw new NovaError('set_up_failed', `The folder ${what} ${why}.`, { hint });
  };
  if (!isTrusted(found.uid))
    refuse(
      `belongs to another user (uid ${found.uid}), who could exchange what lies there`,
      'Set NOVA_HOME, or NOVA_RUN where it is the folder of sockets, to a folder of your own.',
    );
  if (!found.isDirectory()) return;
  const isSticky = isAbove && (found.mode & 0o1000) !== 0;
  if ((found.mode & 0o002) !== 0 && !isSticky)
    refuse('may be written to by every user', `Take that from them: chmod o-w ${path}`);
  if (isAbove && (found.mode & 0o001) === 0 && process.platform === 'linux' && process.getuid?.() === 0)
    refuse(
      'other users may not pass through',
      `Set NOVA_HOME to a folder such as /var/lib/novasandbox, or allow it: chmod o+x ${path}`,
    );
}

/** Ourselves, root, or a user without a number in this user namespace, which belongs to the system around it. */
function isTrusted(uid: number): boolean {
  return uid === process.geteuid?.() || uid === 0 || (process.platform === 'linux' && !isMapped('uid', uid));
}
