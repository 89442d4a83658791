import { existsSync } from 'node:fs';
import { chmod, open, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { NovaError, type ArchitectureName } from '@novasandbox/protocol';
import type { Layout } from '../layout.ts';
import type { ImageOptions, LoadedTemplate } from '../ports/image-source.ts';
import { flush } from '../artifacts/publish.ts';
import { rootImageFiles, type Manifest } from './manifest.ts';
import { copySparse } from '../artifacts/sparse.ts';
import { fileDigest, fileMark, readStamp, sha256, writeJson, writeStamp } from '../artifacts/stamp.ts';
import { step } from '../artifacts/step.ts';

/** The digest of a ready-made image when it was last copied. Null where it has changed since, or was never copied. */
export function givenImageDigest(layout: Layout, architecture: ArchitectureName, image: string): string | null {
  return existsSync(image) ? readStamp(stampFile(layout, architecture, image), fileMark(image)) : null;
}

/**
 * Copies a template's own rootfs.ext4 into `work`, by reference where the file system supports it. Because it is a
 * copy, replacing the template's file never changes the disk of a running guest.
 * @throws NovaError `template_build_failed` naming the file that is missing or is no file system
 */
export async function givenImage(
  layout: Layout,
  template: LoadedTemplate,
  work: string,
  options: ImageOptions,
): Promise<string> {
  const { template_id: id, required_files: required, source } = template.template;
  const { kernel, root: image } = template.files;
  const own = source.type === 'disk' ? [image] : [kernel, image];
  for (const path of new Set([...required.map((name) => join(template.directory, name)), ...own])) {
    const found = await stat(path).catch(() => null);
    if (found?.isFile() === true) continue;
    throw new NovaError('template_build_failed', `The template "${id}" lacks the file ${path}.`, {
      hint: 'Put the file there, or give the template a source it can be built from.',
      details: { file: basename(path) },
    });
  }
  if ((await fileSystemOf(image)) === null) {
    throw new NovaError('template_build_failed', `${image} has none of the file systems ext4, erofs, squashfs.`, {
      details: { file: rootImageFiles.image },
    });
  }
  return step(options.progress, 'rootfs', `Root image of ${id}`, async (update) => {
    update('copying');
    const mark = fileMark(image);
    const copy = join(work, rootImageFiles.image);
    await copySparse(image, copy, options);
    await chmod(copy, 0o644);
    const digest = await fileDigest(copy, options.signal);
    if (fileMark(image) !== mark) {
      throw new NovaError('template_build_failed', `${image} was written to while it was read.`, {
        hint: 'Wait until it is finished and try again.',
      });
    }
    await flush(copy);
    await writeJson(join(work, rootImageFiles.manifest), {
      template: id,
      builtAt: new Date().toISOString(),
      sizeBytes: (await stat(copy)).size,
      sha256: digest,
      packages: {},
    } satisfies Manifest);
    await writeStamp(stampFile(layout, template.architecture, image), mark, digest);
    return digest;
  });
}

export type GuestFileSystem = 'ext4' | 'erofs' | 'squashfs';

/** The file system of an image, by its superblock. */
export async function fileSystemOf(path: string): Promise<GuestFileSystem | null> {
  await using file = await open(path, 'r');
  const head = Buffer.alloc(2048);
  await file.read(head, 0, head.length, 0);
  if (head.readUInt16LE(1024 + 56) === 0xef53) return 'ext4';
  if (head.readUInt32LE(1024) === 0xe0f5e1e2) return 'erofs';
  if (head.toString('latin1', 0, 4) === 'hsqs') return 'squashfs';
  return null;
}

/** The file that records the digest of a template's own image. */
export const stampFile = (layout: Layout, architecture: ArchitectureName, image: string): string =>
  layout.rootfs(`of${sha256(`${architecture} ${image}`).slice(0, 32)}`);
