import { existsSync } from 'node:fs';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { NovaError, type ArchitectureName } from '@novasandbox/protocol';
import * as z from 'zod';
import { architectures } from '../architecture.ts';
import type { Layout } from '../layout.ts';
import type { GuestKernel, LoadedTemplate } from '../ports/image-source.ts';
import { unpackDistributionKernel } from './kernel-package.ts';
import { withLock } from '../artifacts/lock.ts';
import { unpackPrebuiltKernel } from './prebuilt-kernel.ts';
import { flush, publish } from '../artifacts/publish.ts';
import type { ProgramOptions } from './rust-program.ts';
import { fileDigest, fileMark, readJson, sha256, writeJson } from '../artifacts/stamp.ts';
import { step } from '../artifacts/step.ts';
import { kernelDefect, kernelRelease } from './vmlinux.ts';

/**
 * Its modules, laid out as in `/lib/modules/<release>`. The folder is missing where everything a guest needs is built
 * in.
 */
const templateModulesFolder = 'modules';
const moduleList = 'modules.order';

const chosenSchema = z.object({ mark: z.string(), digest: z.string().regex(/^[0-9a-f]{64}$/), release: z.string() });

/**
 * The kernel of a template: its own `vmlinux`, which is copied so that it cannot change under a running guest, else the
 * distribution's. The choice is recorded in a small file, so that later calls read nothing else.
 */
export async function guestKernel(
  layout: Layout,
  template: LoadedTemplate,
  options: ProgramOptions,
): Promise<GuestKernel> {
  const { architecture } = template;
  const own = template.files.kernel;
  if (!existsSync(own)) return distributionKernel(layout, architecture, options);
  const mark = `${ownKernelMark(own, template)} ${architecture}`;
  const record = kernelRecord(layout, template);
  return keptKernel(layout, architecture, record, mark, options, () => keepOwnKernel(layout, template, own));
}

/** The distribution's kernel, which is fetched where it is missing. */
export const distributionKernel = (
  layout: Layout,
  architecture: ArchitectureName,
  options: ProgramOptions,
): Promise<GuestKernel> =>
  keptKernel(
    layout,
    architecture,
    distributionKernelRecord(layout, architecture),
    `distribution ${architecture}`,
    options,
    () => keepDistributionKernel(layout, architecture, options),
  );

/** The kernel that a record names. It is made where there is no record. */
async function keptKernel(
  layout: Layout,
  architecture: ArchitectureName,
  record: string,
  mark: string,
  options: ProgramOptions,
  make: () => Promise<GuestKernel>,
): Promise<GuestKernel> {
  const known = chosen(layout, architecture, record, mark);
  if (known !== null) return known;
  return withLock(layout.kernel('lock'), options, async () => {
    const madeMeanwhile = chosen(layout, architecture, record, mark);
    if (madeMeanwhile !== null) return madeMeanwhile;
    const made = await make();
    await writeJson(record, { mark, digest: made.digest, release: made.release });
    return made;
  });
}

/** A mark that changes with the kernel and with the list of its modules, which is written together with it. */
function ownKernelMark(own: string, template: LoadedTemplate): string {
  const order = join(template.directory, templateModulesFolder, moduleList);
  return existsSync(order) ? `${fileMark(own)} ${fileMark(order)}` : fileMark(own);
}

/** The file that records which kernel is the distribution's. */
export function distributionKernelRecord(layout: Layout, architecture: ArchitectureName): string {
  return layout.kernel(`distribution${architecture}`);
}

/** The file that records which kernel the template's is. */
export function kernelRecord(layout: Layout, { architecture, files: { kernel: own } }: LoadedTemplate): string {
  if (!existsSync(own)) return distributionKernelRecord(layout, architecture);
  return layout.kernel(`of${sha256(`${architecture} ${own}`).slice(0, 32)}`);
}

/** The digest of the kernel that a record names; null where it names none. */
export const recordedKernel = (record: string): string | null => readJson(record, chosenSchema)?.digest ?? null;

/**
 * The folder of a kernel's modules: `kernel/` and `modules.builtin`. It is missing for a kernel that has everything
 * built in.
 */
export function modulesOf(layout: Layout, kernel: GuestKernel): string {
  return join(layout.kernel(kernel.digest), 'modules');
}

function chosen(layout: Layout, architecture: ArchitectureName, record: string, mark: string): GuestKernel | null {
  const found = readJson(record, chosenSchema);
  if (found === null || found.mark !== mark) return null;
  const path = join(layout.kernel(found.digest), 'vmlinux');
  return existsSync(path) ? { architecture, digest: found.digest, release: found.release, path } : null;
}

async function keepDistributionKernel(
  layout: Layout,
  architecture: ArchitectureName,
  options: ProgramOptions,
): Promise<GuestKernel> {
  if (process.platform !== 'linux') {
    throw new NovaError('set_up_failed', "The distribution's kernel can only be fetched on Linux.", {
      hint: 'Use a template folder with its own vmlinux and rootfs.ext4.',
    });
  }
  return step(options.progress, 'kernel', 'Guest kernel', async (update) => {
    let kernel: GuestKernel | undefined;
    await publish(layout, 'kernel', async (work) => {
      const { digest, release } =
        (await unpackPrebuiltKernel(architectures[architecture], work, update, options)) ??
        (await unpackDistributionKernel(architectures[architecture], work, update, options.signal));
      kernel = { architecture, digest, release, path: join(layout.kernel(digest), 'vmlinux') };
      return layout.kernel(digest);
    });
    if (kernel === undefined) throw new Error('publish makes the kernel or throws');
    return kernel;
  });
}

async function keepOwnKernel(layout: Layout, template: LoadedTemplate, own: string): Promise<GuestKernel> {
  const content = await readFile(own);
  const release = kernelRelease(content);
  const defect =
    kernelDefect(content, architectures[template.architecture].elfMachine) ??
    (release === null ? 'it is no Linux' : null);
  if (release === null || defect !== null) {
    throw new NovaError('template_build_failed', `The kernel ${own} cannot be booted: ${defect}.`, {
      hint: `Put an uncompressed kernel ${template.architecture === 'amd64' ? 'with CONFIG_PVH ' : ''}into the folder of the template "${template.template.template_id}".`,
    });
  }
  const modules = join(template.directory, templateModulesFolder);
  const modular = existsSync(join(modules, moduleList));
  const digest = modular ? sha256([sha256(content), ...(await digestsOf(modules))].join('\n')) : sha256(content);
  await publish(layout, 'kernel', async (work) => {
    await writeFile(join(work, 'vmlinux'), content, { mode: 0o644 });
    if (modular) await cp(modules, join(work, 'modules'), { recursive: true });
    await flush(join(work, 'vmlinux'));
    return layout.kernel(digest);
  });
  return { architecture: template.architecture, digest, release, path: join(layout.kernel(digest), 'vmlinux') };
}

/** Name and digest of each file in a folder. */
async function digestsOf(folder: string): Promise<string[]> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
  const digests: string[] = [];
  for (const file of files) digests.push(`${relative(folder, file)} ${await fileDigest(file)}`);
  return digests;
}
