import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { hostArchitecture, type Architecture } from '../architecture.ts';
import { CommandFailure, runCommand } from '../programs/command.ts';
import { defaultSuite, hostSuite, sourcesFor } from './debian-sources.ts';
import { flush } from '../artifacts/publish.ts';
import { fileDigest, sha256 } from '../artifacts/stamp.ts';
import type { StepUpdate } from '../artifacts/step.ts';
import { extractVmlinux, kernelDefect } from './vmlinux.ts';

/**
 * Fills `work` with `vmlinux` and `modules/` of Debian's newest cloud kernel for that processor. Needs apt-get and
 * dpkg-deb, but not root. The digest covers the kernel and its modules.
 */
export async function unpackDistributionKernel(
  architecture: Architecture,
  work: string,
  update: StepUpdate,
  signal?: AbortSignal,
): Promise<{ digest: string; release: string }> {
  const scratch = join(work, 'scratch');
  await mkdir(scratch, { mode: 0o700 });
  update('downloading', 0.05);
  const archive = await downloadKernel(architecture, scratch, update, signal);
  update('unpacking', 0.5);
  const tree = join(scratch, 'tree');
  await runCommand('dpkg-deb', ['-x', archive, tree], { signal });

  const image = (await readdir(join(tree, 'boot'))).find((name) => name.startsWith('vmlinuz-'));
  if (image === undefined) throw new NovaError('set_up_failed', `The package ${archive} contains no kernel.`);
  const release = image.slice('vmlinuz-'.length);
  update('extracting vmlinux', 0.7);
  const kernel = await extractVmlinux(await readFile(join(tree, 'boot', image)), join(scratch, 'vmlinux'), signal);
  const defect = kernelDefect(kernel, architecture.elfMachine);
  if (defect !== null) throw new NovaError('set_up_failed', `The kernel ${release} cannot be booted: ${defect}.`);
  await writeFile(join(work, 'vmlinux'), kernel, { mode: 0o644 });
  await flush(join(work, 'vmlinux'));

  await rename(modulesOfPackage(tree, release), join(work, 'modules'));
  const digest = sha256(`${sha256(kernel)} ${await fileDigest(archive, signal)}`);
  await rm(scratch, { recursive: true });
  return { digest, release };
}

/**
 * The modules of an unpacked kernel package. Since Debian 13 packages use `/usr/lib`; before, they used `/lib`, which
 * is a link to it.
 * @throws NovaError `set_up_failed` where the package has none
 */
export function modulesOfPackage(tree: string, release: string): string {
  const found = ['usr/lib/modules', 'lib/modules']
    .map((folder) => join(tree, folder, release))
    .find((path) => existsSync(path));
  if (found === undefined)
    throw new NovaError('set_up_failed', `The package of the kernel ${release} contains no modules.`);
  return found;
}

/**
 * Downloads the kernel's .deb below `scratch`. It uses the host's apt where that is Debian's and knows these packages,
 * and a private apt otherwise or when the host's fails.
 */
async function downloadKernel(
  architecture: Architecture,
  scratch: string,
  update: StepUpdate,
  signal?: AbortSignal,
): Promise<string> {
  const meta = `linux-image-cloud-${architecture.name}`;
  if (architecture === hostArchitecture() && (await hostSuite()) !== null) {
    try {
      return await download(meta, scratch, {}, signal);
    } catch (error) {
      // The package lists may be missing or out of date. The host's lists are not ours to change, so private lists are
      // fetched.
      if (!(error instanceof CommandFailure)) throw error;
    }
  }
  update('reading package lists', 0.1);
  const env = { APT_CONFIG: await privateApt(architecture, scratch, signal) };
  try {
    await runCommand('apt-get', ['update'], { env, signal });
    return await download(meta, scratch, env, signal);
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    throw new NovaError('set_up_failed', `The guest kernel could not be downloaded: ${error.tail}`, {
      cause: error,
      hint: 'Check that apt can reach the Debian archive (`apt-get update`), then run the same command again.',
    });
  }
}

async function download(
  meta: string,
  scratch: string,
  env: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<string> {
  const description = await runCommand('apt-cache', ['show', '--no-all-versions', meta], { env, signal });
  const kernel = /^Depends:.*?\b(linux-image-[0-9][^\s,(]*)/m.exec(description)?.[1];
  if (kernel === undefined) throw new CommandFailure('apt-cache', 0, `${meta} names no kernel`);
  const folder = join(scratch, 'download');
  await mkdir(folder, { recursive: true });
  // By default apt downloads as a user of its own, who cannot write here.
  await runCommand('apt-get', ['download', '-o', 'APT::Sandbox::User=', kernel], { cwd: folder, env, signal });
  const archive = (await readdir(folder)).find((name) => name.endsWith('.deb'));
  if (archive === undefined) throw new CommandFailure('apt-get', 0, `${kernel} was not downloaded`);
  return join(folder, archive);
}

/** An apt configuration with its own state, lists and sources. It works without root, and on derivatives of Debian. */
async function privateApt(architecture: Architecture, scratch: string, signal?: AbortSignal): Promise<string> {
  const root = join(scratch, 'apt');
  await mkdir(join(root, 'state/lists/partial'), { recursive: true });
  await mkdir(join(root, 'cache/archives/partial'), { recursive: true });
  await writeFile(
    join(root, 'sources.list'),
    `${(await sourcesFor((await hostSuite()) ?? defaultSuite, signal)).join('\n')}\n`,
  );
  await writeFile(join(root, 'status'), '');
  const settings = {
    'Dir::State': join(root, 'state'),
    'Dir::State::status': join(root, 'status'),
    'Dir::Cache': join(root, 'cache'),
    'Dir::Etc::sourcelist': join(root, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'APT::Architecture': architecture.name,
    'APT::Architectures': architecture.name,
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
  };
  const file = join(root, 'apt.conf');
  await writeFile(
    file,
    Object.entries(settings)
      .map(([key, value]) => `${key} "${value}";\n`)
      .join(''),
  );
  return file;
}
