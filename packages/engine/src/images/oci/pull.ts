import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError, type ArchitectureName } from '@novasandbox/protocol';
import type { Layout } from '../../layout.ts';
import type { ImageOptions } from '../../ports/image-source.ts';
import { throwIfAborted, together } from '../../abort.ts';
import { withLock } from '../../artifacts/lock.ts';
import { inOwnWorkFolder } from '../../artifacts/publish.ts';
import { sha256 } from '../../artifacts/stamp.ts';
import { step, type StepUpdate } from '../../artifacts/step.ts';
import { CommandFailure, runCommand } from '../../programs/command.ts';
import { blobsOf, hasBlob, readBlob, type BlobSource } from './blobs.ts';
import { failed } from './http.ts';
import { openLocalImage } from './local.ts';
import {
  choosePlatform,
  invalidImage,
  readConfig,
  readManifest,
  type Descriptor,
  type ImageManifest,
} from './manifest.ts';
import { imageRecord, keepRecord, settingsOf, type ImageRecord, type TemplateImage } from './record.ts';
import { parseImage, type LocalReference, type RegistryReference } from './reference.ts';
import { Repository } from './registry.ts';
import { registrySettings, type RegistrySettings } from './settings.ts';

/** How many blobs are fetched at once. */
const atOnce = 4;
/** An index may lead to another one, but not for ever. */
const deepestIndex = 3;
/** Other pulls wait for this one, so a registry may not drag it out for ever, ms. */
const longestPullMs = 4 * 3_600_000;
/** Space that is left alone: other things of the state folder need some, bytes. */
const spaceLeft = 256 * 1024 * 1024;

/**
 * Fetches an image: its config and its layers, each compared with its digest, and keeps what its name led to. Layers
 * that are here are not fetched again. An image that has a record is taken from it.
 *
 * @throws NovaError `image_not_found`, `registry_denied`, `download_failed`, `checksum_mismatch`, `image_invalid`,
 * `host_resource_exhausted`
 */
export async function pullImage(layout: Layout, of: TemplateImage, options: ImageOptions): Promise<ImageRecord> {
  const limit = AbortSignal.timeout(longestPullMs);
  const signal = options.signal === undefined ? limit : AbortSignal.any([options.signal, limit]);
  try {
    return await pull(layout, of, { ...options, signal });
  } catch (error) {
    const isLate = limit.aborted && options.signal?.aborted !== true;
    throw isLate ? failed(`it took longer than ${longestPullMs / 3_600_000} hours`, error) : error;
  }
}

async function pull(layout: Layout, of: TemplateImage, options: ImageOptions): Promise<ImageRecord> {
  const { image, architecture } = of;
  const existing = imageRecord(layout, of);
  if (existing?.layers.every(({ digest }) => hasBlob(layout, digest)) === true) return existing;
  return step(options.progress, 'image', `Image ${image}`, (update) =>
    withLock(
      layout.oci.lock,
      { signal: options.signal, onWait: () => update('another image is being fetched: waiting for it') },
      async () => {
        const record = await fetchImage(layout, image, architecture, { ...options, update, pinned: existing?.digest });
        await keepRecord(layout, of, record);
        return record;
      },
    ),
  );
}

interface Fetching extends ImageOptions {
  readonly update: StepUpdate;
  /** The manifest that the name led to before; layers of it are missing. */
  readonly pinned: string | undefined;
}

async function fetchImage(
  layout: Layout,
  image: string,
  architecture: ArchitectureName,
  how: Fetching,
): Promise<ImageRecord> {
  const reference = parseImage(image);
  if (reference.type === 'registry') return fetchFromRegistry(layout, reference, image, architecture, how);
  const name = `pull-${sha256(`${image} ${process.pid} ${performance.now()}`).slice(0, 16)}`;
  return inOwnWorkFolder(layout, name, how.signal, async (work) => {
    const path = reference.type === 'path' ? reference.path : await saveFromEngine(reference, work, how);
    const source = await openLocalImage(layout, path, { architecture, work, signal: how.signal });
    const find = async (part: Descriptor): Promise<Buffer> => {
      if (!hasBlob(layout, part.digest)) await source.fetch(part, () => undefined, how.signal);
      return readBlob(layout, part);
    };
    const top = { digest: `sha256:${sha256(source.top)}`, bytes: source.top };
    return assemble(layout, { image, architecture, top, find, source }, how);
  });
}

/** Has a container engine of this host write an image of its own into a file. */
async function saveFromEngine(
  { program, name }: Extract<LocalReference, { type: 'engine' }>,
  work: string,
  { signal, update }: Fetching,
): Promise<string> {
  update(`${program} writes it`);
  const path = join(work, 'saved.tar');
  try {
    await runCommand(program, ['save', '--output', path, name], { signal });
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    throw new NovaError('image_not_found', `${program} does not give the image ${name}: ${error.tail}`, {
      cause: error,
      hint: `Look at \`${program} images\`, or leave out "${program}:" to fetch it from a registry.`,
    });
  }
  return path;
}

/** Asks the mirrors of a registry first. The next one is asked where one does not have the image or does not answer. */
async function fetchFromRegistry(
  layout: Layout,
  reference: RegistryReference,
  image: string,
  architecture: ArchitectureName,
  how: Fetching,
): Promise<ImageRecord> {
  const settings = await registrySettings(layout);
  const failures: unknown[] = [];
  for (const mirror of settings.mirrors[reference.registry] ?? []) {
    try {
      return await fetchFrom(layout, reference, { image, architecture, settings, mirror }, how);
    } catch (error) {
      throwIfAborted(how.signal, 'while an image was fetched');
      const isOfMirror =
        error instanceof NovaError && ['image_not_found', 'registry_denied', 'download_failed'].includes(error.code);
      if (!isOfMirror) throw error;
      failures.push(error);
    }
  }
  try {
    return await fetchFrom(layout, reference, { image, architecture, settings }, how);
  } catch (error) {
    if (!(error instanceof NovaError) || failures.length === 0) throw error;
    const mirrors = failures.map((each) => (each instanceof Error ? each.message : String(each)));
    throw new NovaError(error.code, `${error.message} The mirrors failed before: ${mirrors.join(' ')}`, {
      cause: error,
      hint: error.hint,
    });
  }
}

async function fetchFrom(
  layout: Layout,
  reference: RegistryReference,
  {
    image,
    architecture,
    settings,
    mirror,
  }: { image: string; architecture: ArchitectureName; settings: RegistrySettings; mirror?: string },
  how: Fetching,
): Promise<ImageRecord> {
  using repository = new Repository(reference, settings, mirror);
  how.update('asking the registry');
  const top = await repository.manifest(reference.digest ?? how.pinned ?? reference.tag, how.signal);
  const source = blobsOf(layout, repository);
  const find = async (part: Descriptor): Promise<Buffer> => {
    if (hasBlob(layout, part.digest)) return readBlob(layout, part);
    // Manifests have an address of their own in a registry.
    return (await repository.manifest(part.digest, how.signal)).bytes;
  };
  return await assemble(layout, { image, architecture, top, find, source }, how);
}

interface Assembly {
  readonly image: string;
  readonly architecture: ArchitectureName;
  readonly top: { readonly digest: string; readonly bytes: Buffer };
  /** Gives a manifest below an index. */
  readonly find: (part: Descriptor) => Promise<Buffer>;
  readonly source: BlobSource;
}

async function assemble(
  layout: Layout,
  { image, architecture, top, find, source }: Assembly,
  { signal, update }: Fetching,
): Promise<ImageRecord> {
  let current = top;
  let manifest: ImageManifest | undefined;
  for (let depth = 0; manifest === undefined; depth += 1) {
    if (depth > deepestIndex) throw invalidImage(`${image} has an index in an index in an index`);
    const read = readManifest(current.bytes, image);
    if ('manifest' in read) manifest = read.manifest;
    else {
      const part = choosePlatform(read.index, architecture, image);
      current = { digest: part.digest, bytes: await find(part) };
    }
  }
  const fetchPart = async (
    part: Descriptor,
    told: (bytes: number) => void,
    shared: AbortSignal | undefined,
  ): Promise<void> => {
    if (hasBlob(layout, part.digest)) told(part.size);
    else await source.fetch(part, told, shared);
  };
  await fetchPart(manifest.config, () => undefined, signal);
  const config = readConfig(await readBlob(layout, manifest.config), architecture, image);
  const { layers } = manifest;
  const ids = config.rootfs.diff_ids;
  if (ids.length !== layers.length)
    throw invalidImage(`${image} has ${layers.length} layers, and its config names ${ids.length}`);

  const missing = layers.filter(({ digest }) => !hasBlob(layout, digest));
  const wanted = missing.reduce((total, { size }) => total + size, 0);
  await requireSpace(layout, wanted, image);

  let done = 0;
  let whole = 0;
  const unique = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
  const total = unique.reduce((sum, { size }) => sum + size, 0);
  await inParallel(unique, atOnce, signal, async (layer, _, shared) => {
    const tell = (bytes: number): void => {
      done += bytes;
      const of = `${mebibytes(done)} of ${mebibytes(total)} MiB`;
      const layerOf = `layer ${Math.min(whole + 1, unique.length)} of ${unique.length}`;
      update(`${layerOf}, ${of}`, total === 0 ? 1 : Math.min(done / total, 1));
    };
    await fetchPart(layer, tell, shared);
    whole += 1;
  });
  return {
    ...{ version: 1, image, architecture, digest: current.digest, config: manifest.config.digest },
    layers: layers.map(({ digest, size }, index) => ({ digest, size, diffId: ids[index] ?? '' })),
    ...settingsOf(config),
  };
}

const mebibytes = (bytes: number): string => (bytes / 1024 ** 2).toFixed(bytes < 10 * 1024 ** 2 ? 1 : 0);

/** Refuses to begin what would fill the disk. */
export async function requireSpace(layout: Layout, bytes: number, image: string): Promise<void> {
  const { bavail, bsize } = await statfs(layout.home);
  const free = bavail * bsize;
  if (bytes + spaceLeft <= free) return;
  throw new NovaError(
    'host_resource_exhausted',
    `${image} needs ${mebibytes(bytes)} MiB more on the disk of ${layout.home}, which has ${mebibytes(free)} MiB free.`,
  );
}

/**
 * Works on several things at once. After an error no further one is begun and those under way are aborted; the error is
 * thrown once they have ended.
 */
export async function inParallel<T>(
  things: readonly T[],
  most: number,
  signal: AbortSignal | undefined,
  work: (thing: T, index: number, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  let next = 0;
  const run = async (shared: AbortSignal): Promise<void> => {
    for (let index = next++; index < things.length; index = next++) {
      shared.throwIfAborted();
      await work(things[index] as T, index, shared);
    }
  };
  await together(
    signal,
    Array.from({ length: Math.min(most, things.length) }, () => run),
  );
}
