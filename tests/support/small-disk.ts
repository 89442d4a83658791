import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testHome, type TestHome } from './test-home.ts';

/** Why no file system can be mounted here; false where it can. */
export const whyNoSmallDisk: string | false =
  process.platform === 'linux' && process.getuid?.() === 0 ? false : 'mounting a file system needs root';

/** A state folder on a file system of its own, which is small enough to be filled. */
export interface SmallDisk extends TestHome {
  /** Takes the remaining space to the last block. Returns the number of bytes taken. */
  fill(): number;
  /** Gives back what `fill` took. */
  free(): void;
}

export async function smallDisk(sizeMb = 96, own: readonly string[] = []): Promise<SmallDisk> {
  const folder = await mkdtemp(join(tmpdir(), 'nova-disk-'));
  const image = join(folder, 'image');
  const at = join(folder, 'home');
  await mkdir(at);
  await writeFile(image, '');
  await truncate(image, sizeMb * 1024 * 1024);
  execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-m', '0', '-O', '^resize_inode', image], { stdio: 'ignore' });
  execFileSync('mount', ['-o', 'loop', image, at]);
  execFileSync('chmod', ['711', folder, at]);
  rmSync(join(at, 'lost+found'), { recursive: true });
  const home = await testHome({ at, own });
  const filler = join(at, 'filler');
  const fill = (): number => {
    const file = openSync(filler, 'a');
    let taken = 0;
    try {
      // Ever smaller pieces, down to less than a block.
      for (let bytes = 1 << 20; bytes >= 512; bytes >>= 1) taken += writeUntilFull(file, bytes);
    } finally {
      closeSync(file);
    }
    // Earlier writes may have been allocated meanwhile, with less space than was reserved for them.
    return statfsSync(at).bavail > 0 ? taken + fill() : taken;
  };
  return {
    ...home,
    fill,
    free: () => rmSync(filler, { force: true }),
    [Symbol.asyncDispose]: async () => {
      try {
        await rm(home.layout.run, { recursive: true, force: true });
      } finally {
        execFileSync('umount', [at]);
        await rm(folder, { recursive: true });
      }
    },
  };
}

function writeUntilFull(file: number, bytes: number): number {
  const piece = Buffer.alloc(bytes, 1);
  let taken = 0;
  try {
    for (;;) taken += writeSync(file, piece);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  }
  return taken;
}
