import type { WorkspaceState } from '../types.ts';
import { parentsOf } from '../paths.ts';
import { isSafeLink } from '../../tar/safe-path.ts';

/** Linux takes longer paths only piece by piece. */
const maxPathBytes = 4000;
const maxDepth = 200;

/** Characters that some file systems do not see in a name: `.g\u200cit` is `.git` for them. */
export const unseen = /[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u00ad]/g;
const controls = /\p{Cc}/u;

/** Whether a name is `.git` on any file system: some ignore case, trailing dots, or characters that are not seen. */
function isGit(name: string): boolean {
  const plain = name
    .normalize('NFKC')
    .replaceAll(unseen, '')
    .toLowerCase()
    .replace(/[. ]+$/, '')
    .replace(/:.*$/, '');
  return plain === '.git' || /^git~\d+$/.test(plain);
}

/** Why nothing at a path of the guest is ever written on the host; null where it may be. */
export function refusedPath(path: string): string | null {
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) return 'its path leads out of the folder';
  if (parts.some(isGit)) return 'it belongs to git, whose settings make programs run';
  if (path.includes('\ufffd')) return 'its name is not UTF-8';
  if (controls.test(path)) return 'its name has control characters';
  if (path.includes('\\') && process.platform === 'win32') return 'its name has a backslash';
  if (Buffer.byteLength(path) > maxPathBytes || parts.length > maxDepth) return 'its path is too long';
  return null;
}

/**
 * Why nothing in a folder with a file `HEAD` is written: git takes such a folder for a repository, and runs what its
 * configuration names as soon as it is called there.
 */
export function refusedRepository(path: string, has: (path: string) => boolean): string | null {
  const isRepository = has('HEAD') || parentsOf(path).some((folder) => has(`${folder}/HEAD`));
  return isRepository ? 'git takes its folder for a repository, whose settings make programs run' : null;
}

/** Why a new state is never written on the host; null where it may be. */
export function refusedState(path: string, after: WorkspaceState): string | null {
  if (after.type === 'other') return 'it is a device, a pipe or a socket';
  if (after.type !== 'symlink') return null;
  const link = after.link ?? '';
  const depth = path.split('/').length - 1;
  if (controls.test(link) || !isSafeLink(Buffer.from(link).toString('latin1'), depth)) {
    return 'it is a link that leads out of the folder';
  }
  return link.split('/').some(isGit) ? 'it is a link to what belongs to git' : null;
}

/** Whether a name looks like another one because it has characters that are not seen. */
export const hasUnseen = (path: string): boolean => path.search(unseen) >= 0;
