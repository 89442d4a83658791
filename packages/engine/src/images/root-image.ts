import { existsSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { NovaError } from '@novasandbox/protocol';
import type { Layout } from '../layout.ts';
import type { ImageOptions, LoadedTemplate, RootImage, RunInGuest } from '../ports/image-source.ts';
import { buildDebianRoot, debianRecipeVersion, type DebianSource } from './debian-root.ts';
import { givenImage, givenImageDigest } from './given-image.ts';
import { withLock } from '../artifacts/lock.ts';
import { rootImageFiles } from './manifest.ts';
import { writeOciRoot } from './oci/oci-root.ts';
import { pullImage } from './oci/pull.ts';
import { imageRecord, rootDigestOf } from './oci/record.ts';
import { publish, publishFrom } from '../artifacts/publish.ts';
import { readJson, sha256 } from '../artifacts/stamp.ts';

/** The root image of a template if it exists; never builds. */
export function builtRootImage(layout: Layout, template: LoadedTemplate): RootImage | null {
  const digest = rootImageDigest(layout, template);
  return digest === null ? null : imageAt(layout, digest);
}

/**
 * The root image of a template, which is built when it does not exist. Two processes that want the same image build it
 * only once.
 * @throws NovaError `template_build_failed` with the end of the log; for images of registries also the errors of
 * `pullImage`
 */
export async function rootImage(
  layout: Layout,
  template: LoadedTemplate,
  runInGuest: RunInGuest,
  options: ImageOptions,
): Promise<RootImage> {
  const { source, template_id: id } = template.template;
  const there = builtRootImage(layout, template);
  if (there !== null) return there;
  // The layers are fetched before the lock is taken: a slow registry holds nobody up who needs another image.
  if (source.type === 'oci')
    await pullImage(layout, { id, image: source.image, architecture: template.architecture }, options);
  await withLock(layout.rootfs('lock'), { ...options, onWait: () => tellWaiting(id, options) }, async () => {
    if (builtRootImage(layout, template) !== null) return;
    await publish(layout, 'rootfs', async (work) => {
      switch (source.type) {
        case 'debian':
          return layout.rootfs(await buildDebian(layout, template, source, work, runInGuest, options));
        case 'files':
        case 'disk':
          return layout.rootfs(await givenImage(layout, template, work, options));
        case 'oci': {
          const record = await pullImage(
            layout,
            { id, image: source.image, architecture: template.architecture },
            options,
          );
          await writeOciRoot(layout, record, id, work, options);
          return layout.rootfs(rootDigestOf(record));
        }
      }
    });
  });
  const built = builtRootImage(layout, template);
  if (built === null)
    throw new NovaError('template_build_failed', `The root image of "${id}" changed while it was made.`);
  return built;
}

/**
 * Removes the root image. The template's own files stay. An image that `isNeeded` elsewhere is only set aside, so that
 * the next one can be built in its place: it then has the digest of its content for a name.
 *
 * @param isNeeded whether somebody needs the image with that content
 */
export async function removeRootImage(
  layout: Layout,
  template: LoadedTemplate,
  isNeeded: (sha256: string) => boolean,
): Promise<void> {
  const digest = rootImageDigest(layout, template);
  if (digest === null) return;
  await withLock(layout.rootfs('lock'), {}, async () => {
    const image = rootImageAt(layout, digest);
    const stays = image !== null && isNeeded(image.sha256);
    if (stays && image.sha256 === digest) return;
    if (stays && rootImageAt(layout, image.sha256) === null)
      await publishFrom(layout.rootfs(digest), layout.rootfs(image.sha256));
    else await rm(layout.rootfs(digest), { recursive: true, force: true });
  });
}

/**
 * The digest that names the image: of its recipe where it is built, of its content where it is given. Null where it is
 * not known before the image is built.
 */
function rootImageDigest(layout: Layout, { template, files, architecture }: LoadedTemplate): string | null {
  const { source } = template;
  switch (source.type) {
    case 'debian':
      return sha256(
        JSON.stringify({
          version: debianRecipeVersion(architecture),
          architecture,
          suite: source.suite,
          variant: source.variant,
          packages: template.packages.toSorted(),
        }),
      );
    case 'files':
    case 'disk':
      return givenImageDigest(layout, architecture, files.root);
    case 'oci': {
      const record = imageRecord(layout, { id: template.template_id, image: source.image, architecture });
      return record === null ? null : rootDigestOf(record);
    }
  }
}

function imageAt(layout: Layout, digest: string): RootImage | null {
  const folder = layout.rootfs(digest);
  const path = join(folder, rootImageFiles.image);
  const image = statSync(path, { throwIfNoEntry: false });
  if (image === undefined || !existsSync(join(folder, rootImageFiles.manifest))) return null;
  return { digest, path, sizeBytes: image.size };
}

const manifestSchema = z.object({ sha256: z.string() });

/** A root image by its digest, with the digest of its content; null where it is not here. */
export function rootImageAt(layout: Layout, digest: string): (RootImage & { readonly sha256: string }) | null {
  const image = imageAt(layout, digest);
  const manifest = readJson(join(layout.rootfs(digest), rootImageFiles.manifest), manifestSchema);
  return image === null || manifest === null ? null : { ...image, sha256: manifest.sha256 };
}

async function buildDebian(
  layout: Layout,
  template: LoadedTemplate,
  source: DebianSource,
  work: string,
  runInGuest: RunInGuest,
  options: ImageOptions,
): Promise<string> {
  const digest = rootImageDigest(layout, template);
  if (digest === null) throw new Error('a Debian recipe has a digest');
  await buildDebianRoot(layout, template, source, work, runInGuest, options);
  return digest;
}

function tellWaiting(id: string, { progress }: ImageOptions): void {
  progress?.({
    step: 'rootfs',
    label: `Root image of ${id}`,
    state: 'update',
    detail: 'another process is building an image: waiting for it',
    elapsedMs: 0,
  });
}
