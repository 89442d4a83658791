import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import type { Layout } from '../../layout.ts';
import { hexOf } from './blobs.ts';
import { unpacked } from './decompress.ts';
import { packingOfFile } from './local.ts';
import { invalidImage } from './manifest.ts';
import { inParallel, requireSpace } from './pull.ts';
import type { ImageRecord } from './record.ts';
import type { RegistrySettings } from './settings.ts';
import { TarEntries, type TarEntry } from './tar-entries.ts';
import { ImageTree } from './tree.ts';

/** How many layers are unpacked at once. Hashing keeps one processor busy, unpacking others. */
const atOnce = 2;
/** The space on the disk is looked at each time so much has been written, bytes. */
const lookEvery = 256 * 1024 * 1024;

export interface OpenLayers extends AsyncDisposable {
  readonly tree: ImageTree;
  /** The archive of each layer, unpacked. */
  readonly archives: readonly FileHandle[];
}

/**
 * Unpacks the layers of an image into archives below `work`, compares them with their digests, and puts them upon each
 * other.
 * @throws NovaError `image_invalid`, `checksum_mismatch`, `host_resource_exhausted`
 */
export async function openLayers(
  layout: Layout,
  { image, layers }: ImageRecord,
  work: string,
  {
    settings: { limits },
    signal,
    told,
  }: {
    readonly settings: RegistrySettings;
    readonly signal?: AbortSignal | undefined;
    /** Called with the number of unpacked layers. */
    readonly told: (done: number) => void;
  },
): Promise<OpenLayers> {
  await using undo = new AsyncDisposableStack();
  const most = limits.image_gb * 1024 ** 3;
  const tree = new ImageTree(limits.files);
  const archives: FileHandle[] = [];
  const entriesOf: TarEntry[][] = [];
  let bytes = 0;
  let looked = 0;
  let done = 0;
  await inParallel(layers, atOnce, signal, async ({ digest, diffId }, index, shared) => {
    const path = layout.oci.blob(hexOf(digest));
    const packing = await packingOfFile(path);
    const archive = packing === 'none' ? path : join(work, `layer${index}.tar`);
    await using output = packing === 'none' ? null : await open(archive, 'wx', 0o600);
    const hash = createHash('sha256');
    const entries: TarEntry[] = [];
    const reader = new TarEntries((entry) => {
      tree.count();
      entries.push(entry);
    });
    const source = createReadStream(path, { highWaterMark: 1 << 17 }) as AsyncIterable<Buffer>;
    for await (const chunk of unpacked(source, packing, `layer ${index + 1} of ${image}`)) {
      shared.throwIfAborted();
      bytes += chunk.length;
      // A few kilobytes can unpack to terabytes.
      if (bytes > most)
        throw invalidImage(
          `${image} unpacks to more than ${limits.image_gb} GiB, which registries.json allows (limits.image_gb)`,
        );
      if (output !== null && bytes - looked > lookEvery) {
        looked = bytes;
        await requireSpace(layout, lookEvery, image);
      }
      hash.update(chunk);
      reader.push(chunk);
      await output?.appendFile(chunk);
    }
    reader.end();
    const found = `sha256:${hash.digest('hex')}`;
    if (found !== diffId)
      throw new NovaError(
        'checksum_mismatch',
        `Layer ${index + 1} of ${image} unpacks to ${found} in place of ${diffId}.`,
      );
    entriesOf[index] = entries;
    archives[index] = undo.use(await open(archive, 'r'));
    told((done += 1));
  });
  entriesOf.forEach((entries, layer) => tree.apply(layer, entries));
  const kept = undo.move();
  return { tree, archives, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
