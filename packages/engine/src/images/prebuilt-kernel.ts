import { lstat, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import type { Architecture } from '../architecture.ts';
import { CommandFailure, runCommand } from './command.ts';
import { defaultSuite, hostSuite } from './debian-sources.ts';
import { flush } from './publish.ts';
import type { ProgramOptions } from './rust-program.ts';
import { sha256 } from './stamp.ts';
import type { StepUpdate } from './step.ts';
import { kernelDefect, kernelRelease } from './vmlinux.ts';

/** The one file of a kernel that is laid down elsewhere: `vmlinux` and `modules/`. */
export const kernelArchive = 'kernel.tar.zst';

/** To be raised when another kernel is taken of the same suite, or the archive is another. */
const recipeVersion = 1;
/** A kernel with its modules takes a quarter of this. */
const largestFile = 1 << 30;

/** Names the distribution's kernel of this host by its source, as only the distribution knows its contents. */
export async function kernelAddress({ name }: Architecture): Promise<string> {
  return sha256(['kernel', recipeVersion, (await hostSuite()) ?? defaultSuite, name].join('\n'));
}

/** Fills `work` with `vmlinux` and `modules/` as they were laid down elsewhere; null where they are not to be had. */
export async function unpackPrebuiltKernel(
  architecture: Architecture,
  work: string,
  update: StepUpdate,
  { fetchPrebuilt, signal }: ProgramOptions,
): Promise<{ digest: string; release: string } | null> {
  if (fetchPrebuilt === undefined) return null;
  const part = { kind: 'kernel', address: await kernelAddress(architecture), files: [kernelArchive] } as const;
  const scratch = join(work, 'scratch');
  await mkdir(scratch, { mode: 0o700 });
  const kernel = (await fetchPrebuilt(part, scratch, update, signal))?.kernel ?? null;
  if (kernel !== null) {
    update('unpacking', 0.9);
    await unpack(scratch, work, signal);
    const content = await readFile(join(work, 'vmlinux'));
    const release = kernelRelease(content);
    const defect = kernelDefect(content, architecture.elfMachine);
    if (defect !== null || release !== kernel.release) {
      const why = defect ?? `it is ${release ?? 'no Linux'} instead of ${kernel.release}`;
      throw new NovaError('set_up_failed', `The mirror's kernel cannot be booted: ${why}.`);
    }
    await flush(join(work, 'vmlinux'));
  }
  await rm(scratch, { recursive: true });
  return kernel;
}

/** Of the archive nothing but plain files and folders is taken. */
async function unpack(scratch: string, work: string, signal?: AbortSignal): Promise<void> {
  const tree = join(scratch, 'tree');
  await mkdir(tree);
  try {
    const words = [
      '--zstd',
      '-xf',
      join(scratch, kernelArchive),
      '-C',
      tree,
      '--no-same-owner',
      '--',
      'vmlinux',
      'modules',
    ];
    await runCommand('prlimit', [`--fsize=${largestFile}`, '--', 'tar', ...words], { signal });
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    throw new NovaError('set_up_failed', `The mirror's kernel could not be unpacked: ${error.tail}`, { cause: error });
  }
  const entries = await readdir(tree, { recursive: true, withFileTypes: true });
  const odd = entries.find((entry) => !entry.isFile() && !entry.isDirectory());
  if (odd !== undefined || !(await lstat(join(tree, 'vmlinux'))).isFile())
    throw new NovaError(
      'set_up_failed',
      `The mirror's kernel holds ${odd?.name ?? 'vmlinux'}, which is no plain file.`,
    );
  for (const name of ['vmlinux', 'modules']) await rename(join(tree, name), join(work, name));
}
