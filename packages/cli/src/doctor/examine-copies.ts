import type { DiskCopies } from '@novasandbox/engine';
import type { Finding } from './finding.ts';

const subject = 'copies of disks';

/** Tries how the file system of the state folder copies the disks of sandboxes. */
export async function examineCopies(): Promise<Finding> {
  const { diskCopiesIn, layoutAt } = await import('@novasandbox/engine');
  const { workDirectory, home } = layoutAt();
  try {
    return copiesFinding(await diskCopiesIn(workDirectory), home);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { section: 'better', state: 'note', subject, detail: `could not be tried in ${workDirectory}: ${reason}` };
  }
}

export function copiesFinding({ byReference, fileSystem }: DiskCopies, home: string): Finding {
  const where = fileSystem === null ? `the file system of ${home}` : `${home} lies on ${fileSystem}, which`;
  return {
    section: 'better',
    state: byReference ? 'fine' : 'note',
    subject,
    detail: byReference
      ? `${where} shares blocks between copies (reflinks): a copy takes moments and no space`
      : `${where} shares no blocks between copies: each copies the data that a disk holds`,
    remedy: byReference
      ? undefined
      : 'To copy full disks in moments, have NOVA_HOME name a folder on XFS (mkfs.xfs, which enables reflinks) or btrfs.',
  };
}
