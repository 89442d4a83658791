import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { architectures, guestArchitectures, hostArchitecture } from '../architecture.ts';
import { readJson } from '../artifacts/stamp.ts';
import type { Layout } from '../layout.ts';
import type { LoadedTemplate } from '../ports/image-source.ts';
import * as z from 'zod';
import { agentSource } from './agent.ts';
import { confinerSource } from './confiner.ts';
import { stampFile } from './given-image.ts';
import { listenerSource } from './listener.ts';
import { initramfsDigest } from './initramfs.ts';
import { kernelRecord, recordedKernel } from './kernel.ts';
import { loadTemplate, templateIds } from './load-template.ts';
import { hexOf } from './oci/blobs.ts';
import { imageRecord, recordName } from './oci/record.ts';
import { builtRootImage } from './root-image.ts';
import { programStamp } from './rust-program.ts';

/** Names of entries in the folders of images that are needed now, or may be soon. */
export interface ImagesInUse {
  readonly rootfs: ReadonlySet<string>;
  readonly kernels: ReadonlySet<string>;
  readonly initramfs: ReadonlySet<string>;
  readonly agent: ReadonlySet<string>;
  readonly confine: ReadonlySet<string>;
  readonly listen: ReadonlySet<string>;
  /** Templates that cannot be read, so that it is not known what they need. */
  readonly unreadable: ReadonlySet<string>;
}

/** The sources of another installation that has not used this state folder for so long count as gone, ms. */
const forgottenAfterMs = 7 * 86_400_000;

/**
 * The images that the templates and the programs of this version need. Nothing is built or hashed for it: the digests
 * are those that were recorded when things were made.
 */
export async function imagesInUse(layout: Layout): Promise<ImagesInUse> {
  const { templates, unreadable } = await allTemplates(layout);
  const rootfs = new Set<string>();
  const kernels = new Set<string>();
  for (const template of templates) {
    const digest = builtRootImage(layout, template)?.digest;
    if (digest !== undefined) rootfs.add(digest);
    rootfs.add(basename(stampFile(layout, template.architecture, template.files.root)));
    const record = kernelRecord(layout, template);
    kernels.add(basename(record));
    const kernel = recordedKernel(record);
    if (kernel !== null) kernels.add(kernel);
  }
  const agent = await programsInUse(
    layout.agent,
    Object.values(architectures).map((each) => programStamp(each, agentSource)),
  );
  const confine = await programsInUse(layout.confiner, [programStamp(hostArchitecture(), confinerSource)]);
  const listen = await programsInUse(layout.listener, [programStamp(hostArchitecture(), listenerSource)]);
  const initramfs = new Set(
    [...kernels].flatMap((kernel) => [...agent].map((each) => initramfsDigest({ digest: kernel }, { digest: each }))),
  );
  return { rootfs, kernels, initramfs, agent, confine, listen, unreadable };
}

/** Names of entries in the folders of OCI images that templates are made of. */
export interface OciImagesInUse {
  readonly blobs: ReadonlySet<string>;
  readonly records: ReadonlySet<string>;
  /** Whether a template cannot be read, so that it is not known what it needs. */
  readonly unreadable: boolean;
}

/** The layers stay as long as a template is made of them: those that it shares with the next image are not fetched. */
export async function ociImagesInUse(layout: Layout): Promise<OciImagesInUse> {
  const { templates, unreadable } = await allTemplates(layout);
  const blobs = new Set<string>();
  const records = new Set<string>();
  for (const { template, architecture } of templates) {
    if (template.source.type !== 'oci') continue;
    const of = { id: template.template_id, image: template.source.image, architecture };
    records.add(recordName(of));
    const record = imageRecord(layout, of);
    if (record === null) continue;
    blobs.add(hexOf(record.config));
    for (const { digest } of record.layers) blobs.add(hexOf(digest));
  }
  return { blobs, records, unreadable: unreadable.size > 0 };
}

/** All templates, for guests of each processor. */
async function allTemplates(layout: Layout): Promise<{ templates: LoadedTemplate[]; unreadable: Set<string> }> {
  const templates: LoadedTemplate[] = [];
  const unreadable = new Set<string>();
  for (const id of await templateIds(layout)) {
    for (const { name } of guestArchitectures()) {
      try {
        templates.push(await loadTemplate(layout, id, name));
      } catch {
        unreadable.add(id);
      }
    }
  }
  return { templates, unreadable };
}

const stampSchema = z.object({ digest: z.string() });

/** Programs that are built from our sources, or from those of another installation that uses the state folder. */
async function programsInUse(at: (name: string) => string, ours: readonly string[]): Promise<Set<string>> {
  const folder = join(at('lock'), '..');
  const inUse = new Set<string>();
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith('of')) continue;
    const isUsed = ours.includes(name) || Date.now() - (modifiedMs(at(name)) ?? 0) < forgottenAfterMs;
    const digest = readJson(at(name), stampSchema)?.digest;
    if (!isUsed || digest === undefined) continue;
    inUse.add(name).add(digest);
  }
  return inUse;
}

const modifiedMs = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.mtimeMs;
