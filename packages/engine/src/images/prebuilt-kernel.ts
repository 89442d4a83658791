import { lstat, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import type { Architecture } from '../architecture.ts';
import { CommandFailure, runCommand } from '../programs/command.ts';
import { defaultSuite, hostSuite } from './debian-sources.ts';
import { flush } from '../artifacts/publish.ts';
import type { ProgramOptions } from './rust-program.ts';
import { sha256 } from '../artifacts/stamp.ts';
import type { StepUpdate } from '../artifacts/step.ts';
import { kernelDefect, kernelRelease } from './vmlinux.ts';

/** The archive of a prebuilt kernel, which holds `vmlinux` and `modules/`. */
export const kernelArchive = 'kernel.tar.zst';

/** Raise it when another kernel of the same suite is used, or the format of the archive changes. */
const recipeVersion = 1;
/** The most that one file of an archive may unpack to; a kernel with its modules takes a quarter of this. */
const largestFile = 1 << 30;

/**
 * Names the distribution's kernel of this host by where it comes from, because its contents are not known until it is
 * fetched.
 */
export async function kernelAddress({ name }: Architecture): Promise<string> {
  return sha256(['kernel', recipeVersion, (await hostSuite()) ?? defaultSuite, name].join('\n'));
}

/** Fills `work` with `vmlinux` and `modules/` of a prebuilt kernel; null where there is none. */
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

/** Unpacks only plain files and folders. */
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
      `The mirror's kernel contains ${odd?.name ?? 'vmlinux'}, which is not a plain file.`,
    );
  for (const name of ['vmlinux', 'modules']) await rename(join(tree, name), join(work, name));
}
