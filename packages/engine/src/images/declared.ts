import { existsSync, statSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { isNovaError, NovaError, type Template } from '@novasandbox/protocol';
import { sha256, writeJson } from '../artifacts/stamp.ts';
import type { Layout } from '../layout.ts';
import type { LoadedTemplate } from '../ports/image-source.ts';
import { fileSystemOf } from './given-image.ts';
import { loadTemplate } from './load-template.ts';
import { canonicalImage, parseImage } from './oci/reference.ts';
import { builtRootImage } from './root-image.ts';

/** Commands that a guest has run before its snapshot, where the image has a shell: the next ones are quicker then. */
const warm = [['/bin/sh', '-c', ':']];

/**
 * Runs `work` with a template of an image, which is made under that name. What fetches and builds it fills in what the
 * image says. A template that was made so before gets the new image. After an error of `work` the template is as it was
 * before, unless its root image is there: then others use it already.
 * @throws NovaError `invalid_argument` for what is no name of an image, `conflict` where somebody has written a
 * template of that name
 */
export async function withDeclared<T>(layout: Layout, id: string, image: string, work: () => Promise<T>): Promise<T> {
  const name = canonicalImage(image);
  const existing = await loadTemplate(layout, id).catch((error: unknown) => {
    if (isNovaError(error, 'unknown_template')) return null;
    throw error;
  });
  if (existing !== null && !isMadeOfImage(layout, existing)) {
    throw new NovaError('conflict', `There is a template "${id}" already, in ${existing.directory}.`, {
      hint: 'Choose another name for the template.',
    });
  }
  const source = await sourceOf(name);
  const before = existing?.template.source ?? null;
  if (isDeepStrictEqual(before, source)) return work();
  await declare(layout, id, source);
  try {
    return await work();
  } catch (error) {
    if (builtRootImage(layout, await loadTemplate(layout, id)) !== null) throw error;
    if (before === null) await removeDeclared(layout, id);
    else await declare(layout, id, before);
    throw error;
  }
}

/** A path may lead to a file system instead of an archive or a layout. */
async function sourceOf(image: string): Promise<Template['source']> {
  const isDisk = image.startsWith('/') && existsSync(image) && statSync(image).isFile();
  return isDisk && (await fileSystemOf(image)) !== null ? { type: 'disk', path: image } : { type: 'oci', image };
}

async function declare(layout: Layout, id: string, source: Template['source']): Promise<void> {
  const directory = join(layout.oci.templates, id);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const name = (source.type === 'oci' ? source.image : source.type === 'disk' ? source.path : id).slice(-200);
  await writeJson(join(directory, 'template.json'), { name, template_id: id, source, warm });
}

/** Whether NovaSandbox itself has written the template, so that it may also remove it. */
export const isMadeOfImage = (layout: Layout, { directory }: LoadedTemplate): boolean =>
  dirname(directory) === layout.oci.templates;

/** Removes a template that was made of an image. */
export async function removeDeclared(layout: Layout, id: string): Promise<void> {
  await rm(join(layout.oci.templates, id), { recursive: true, force: true });
}

/** A name for the template of an image that says which one it is, such as `alpine-3.22-1f0c9a2b`. */
export function templateNameFor(image: string): string {
  const reference = parseImage(image);
  const words =
    reference.type === 'registry'
      ? `${reference.repository.split('/').at(-1) ?? ''}-${reference.tag}`
      : ((reference.type === 'path' ? reference.path : reference.name).split('/').at(-1) ?? '');
  const plain = words
    .replaceAll(/[^a-zA-Z0-9_-]+/g, '-')
    .replace(/^[^a-zA-Z0-9]+/, '')
    .slice(0, 48);
  return `${plain === '' ? 'image' : plain}-${sha256(canonicalImage(image)).slice(0, 8)}`;
}
