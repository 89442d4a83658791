import { constants } from 'node:fs';
import { copyFile, mkdtemp, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeFolder } from '../vmm/remove-folder.ts';

/** How the file system of a folder copies the disks of sandboxes. */
export interface DiskCopies {
  /** Copies share their blocks until one is written (reflinks). Otherwise the blocks that hold data are copied. */
  readonly byReference: boolean;
  /** Name of the file system; null where it is not known. */
  readonly fileSystem: string | null;
}

/** Magic numbers of statfs(2). */
const names: Readonly<Record<number, string>> = {
  0xef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x01021994: 'tmpfs',
  0x794c7630: 'overlayfs',
  0x2fc12fc1: 'zfs',
  0xca451a4e: 'bcachefs',
  0x6969: 'nfs',
};

const sampleBytes = 64 * 1024;

/** Tries it with a small file, which is removed again: a name alone does not tell, because XFS may be made without. */
export async function diskCopiesIn(folder: string): Promise<DiskCopies> {
  const { type } = await statfs(folder);
  const scratch = await mkdtemp(join(folder, 'reflink-'));
  try {
    const [from, to] = [join(scratch, 'from'), join(scratch, 'to')];
    await writeFile(from, Buffer.alloc(sampleBytes, 1), { mode: 0o600 });
    const byReference = await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE).then(
      () => true,
      () => false,
    );
    return { byReference, fileSystem: names[type] ?? null };
  } finally {
    await removeFolder(scratch);
  }
}
