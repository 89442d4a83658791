import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';
import { NovaError, type ArchitectureName } from '@novasandbox/protocol';
import type { Layout } from '../../layout.ts';
import { sha256 } from '../../artifacts/stamp.ts';
import { append, hexOf, keep, type BlobSource } from './blobs.ts';
import { magicBytes, packingOf, unpacked } from './decompress.ts';
import { invalidImage, largestManifest, type Descriptor } from './manifest.ts';
import { TarEntries, type TarEntry } from './tar-entries.ts';

/** A part of a file, or all of it. */
interface Part {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

/** An image that lies in files of this host. */
export interface LocalImage extends BlobSource {
  /** Its index or manifest. */
  readonly top: Buffer;
}

/**
 * Finds the image in a path: a folder or an archive in the OCI layout, an archive of `docker save`, or an archive of a
 * root file system.
 *
 * @param work a folder for what has to be unpacked first
 * @throws NovaError `image_not_found`, `image_invalid`
 */
export async function openLocalImage(
  layout: Layout,
  given: string,
  { architecture, work, signal }: { architecture: ArchitectureName; work: string; signal?: AbortSignal | undefined },
): Promise<LocalImage> {
  const found = await stat(given).catch(() => null);
  if (found === null) {
    throw new NovaError('image_not_found', `There is no ${given}.`, {
      hint: 'Name a folder or file of this host, or leave out the / or ./ for an image in a registry.',
    });
  }
  if (found.isDirectory()) {
    const folder = await realpath(given);
    const blob = async (digest: string): Promise<Part> => wholeFile(join(folder, 'blobs', 'sha256', hexOf(digest)));
    return imageOf(layout, await readPart(await wholeFile(join(folder, 'index.json'))), blob);
  }
  if (!found.isFile()) throw invalidImage(`${given} is neither a file nor a folder`);
  const archive = await plainArchive(given, work, signal);
  const parts = await partsOf(archive, signal);
  const index = parts.get('index.json');
  if (index !== undefined && parts.has('oci-layout')) {
    const blob = async (digest: string): Promise<Part> => partNamed(parts, `blobs/sha256/${hexOf(digest)}`);
    return imageOf(layout, await readPart(index), blob);
  }
  const manifest = parts.get('manifest.json');
  if (manifest !== undefined) return savedImage(layout, await readPart(manifest), parts, signal);
  return rootArchive(layout, archive, architecture, signal);
}

type FindBlob = (digest: string) => Promise<Part>;

/** @param index what the layout has for an index: often one of several images of one name */
function imageOf(layout: Layout, index: Buffer, find: FindBlob): LocalImage {
  return {
    top: index,
    async fetch({ digest, size }, told, signal) {
      const part = await find(digest);
      if (part.size !== size) throw invalidImage(`the part ${digest} has ${part.size} bytes in place of ${size}`);
      const path = layout.oci.partial(hexOf(digest));
      await rm(path, { force: true });
      const hash = createHash('sha256');
      await append(bytesOf(part), path, {
        most: size,
        signal,
        onChunk: (chunk) => {
          hash.update(chunk);
          told(chunk.length);
        },
      });
      await keep(layout, { digest, path, hash });
    },
  };
}

const savedSchema = z.array(z.object({ Config: z.string(), Layers: z.array(z.string()) })).min(1);

/** An archive of `docker save` from before it had an OCI layout in it: its layers are named by their paths. */
async function savedImage(
  layout: Layout,
  text: Buffer,
  parts: ReadonlyMap<string, Part>,
  signal?: AbortSignal,
): Promise<LocalImage> {
  const saved = savedSchema.safeParse(jsonOf(text));
  if (!saved.success) throw invalidImage('its manifest.json is not one of docker save');
  const [first, ...others] = saved.data;
  if (first === undefined || others.length > 0) throw invalidImage('the archive has several images: save one alone');
  const blobs = new Map<string, Part>();
  const describe = async (name: string): Promise<Descriptor> => {
    const part = partNamed(parts, name);
    const digest = await digestOf(part, signal);
    blobs.set(digest, part);
    return { digest, size: part.size };
  };
  const config = await describe(first.Config);
  const layers: Descriptor[] = [];
  for (const name of first.Layers) layers.push(await describe(name));
  const top = Buffer.from(JSON.stringify({ config, layers }));
  return imageOf(layout, top, findIn(blobs));
}

/** An archive of a root file system is an image of one layer that says nothing about itself. */
async function rootArchive(
  layout: Layout,
  archive: string,
  architecture: ArchitectureName,
  signal?: AbortSignal,
): Promise<LocalImage> {
  const part = await wholeFile(archive);
  const digest = await digestOf(part, signal);
  const text = Buffer.from(JSON.stringify({ os: 'linux', architecture, rootfs: { diff_ids: [digest] }, config: {} }));
  const config = { digest: `sha256:${sha256(text)}`, size: text.length };
  const path = layout.oci.partial(hexOf(config.digest));
  const hash = createHash('sha256').update(text);
  await rm(path, { force: true });
  await append(chunksOf(text), path, { most: text.length, onChunk: () => undefined, signal });
  await keep(layout, { digest: config.digest, path, hash });
  const top = Buffer.from(JSON.stringify({ config, layers: [{ digest, size: part.size }] }));
  return imageOf(layout, top, findIn(new Map([[digest, part]])));
}

const findIn =
  (blobs: ReadonlyMap<string, Part>): FindBlob =>
  (digest) => {
    const part = blobs.get(digest);
    return part === undefined ? Promise.reject(invalidImage(`the archive lacks ${digest}`)) : Promise.resolve(part);
  };

/** Unpacks an archive that is packed as a whole, as `docker save | gzip` makes it. */
async function plainArchive(path: string, work: string, signal?: AbortSignal): Promise<string> {
  const packing = await packingOfFile(path);
  if (packing === 'none') return path;
  const plain = join(work, 'archive.tar');
  await append(unpacked(createReadStream(path), packing, path), plain, {
    most: Number.MAX_SAFE_INTEGER,
    onChunk: () => undefined,
    signal,
  });
  return plain;
}

/** Finds the compression of a file by its bytes. */
export async function packingOfFile(path: string): Promise<ReturnType<typeof packingOf>> {
  await using file = await open(path, 'r');
  const head = Buffer.alloc(magicBytes);
  await file.read(head, 0, magicBytes, 0);
  return packingOf(head);
}

/** The names in an archive of an image are few. An archive of a root file system has many, which are not kept. */
const isPartName =
  /^(?:\.\/)?(?:oci-layout|index\.json|manifest\.json|[\w.-]+\.json|[0-9a-f]{64}\/layer\.tar|blobs\/sha256\/[0-9a-f]{64})$/;

async function partsOf(archive: string, signal?: AbortSignal): Promise<Map<string, Part>> {
  const parts = new Map<string, Part>();
  const links: TarEntry[] = [];
  const entries = new TarEntries((entry) => {
    if (!isPartName.test(entry.name)) return;
    const name = entry.name.replace(/^\.\//, '');
    if (entry.type === '0') parts.set(name, { path: archive, offset: entry.offset, size: entry.size });
    // Docker saves a layer that two images share once, and links to it.
    else if (entry.type === '1' || entry.type === '2') links.push({ ...entry, name });
  });
  await pipeline(
    createReadStream(archive, { highWaterMark: 1 << 20 }),
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) entries.push(chunk);
    },
    signal === undefined ? {} : { signal },
  );
  entries.end();
  for (const { name, link } of links) {
    const target = parts.get(link.replace(/^(?:\.\.?\/)+/, ''));
    if (target !== undefined) parts.set(name, target);
  }
  return parts;
}

function partNamed(parts: ReadonlyMap<string, Part>, name: string): Part {
  const part = parts.get(name);
  if (part === undefined) throw invalidImage(`the archive lacks ${JSON.stringify(name.slice(0, 200))}`);
  return part;
}

async function wholeFile(path: string): Promise<Part> {
  const found = await stat(path).catch(() => null);
  if (found?.isFile() !== true) throw invalidImage(`there is no ${path}`);
  return { path, offset: 0, size: found.size };
}

async function* bytesOf({ path, offset, size }: Part): AsyncGenerator<Buffer> {
  if (size === 0) return;
  yield* createReadStream(path, {
    start: offset,
    end: offset + size - 1,
    highWaterMark: 1 << 20,
  }) as AsyncIterable<Buffer>;
}

async function readPart(part: Part): Promise<Buffer> {
  if (part.size > largestManifest) throw invalidImage('its index is too large');
  if (part.offset === 0) return (await readFile(part.path)).subarray(0, part.size);
  const chunks: Buffer[] = [];
  for await (const chunk of bytesOf(part)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function digestOf(part: Part, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of bytesOf(part)) {
    signal?.throwIfAborted();
    hash.update(chunk);
  }
  return `sha256:${hash.digest('hex')}`;
}

// eslint-disable-next-line @typescript-eslint/require-await
async function* chunksOf(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}
