import { createHash } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { padding, writeHeader } from '../tar-header.ts';

/** An entry of a layer that a test makes. Names are bytes, one a character. */
export interface MadeEntry {
  readonly name: string;
  /** Default: a file. */
  readonly type?: string;
  readonly content?: string | Buffer;
  readonly link?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly major?: number;
  readonly minor?: number;
  /** Extended attributes. */
  readonly attributes?: Readonly<Record<string, Buffer>>;
  /** Other pax records, as they are. */
  readonly pax?: Readonly<Record<string, string>>;
}

export type Packed = 'none' | 'gzip' | 'zstd' | 'zstd frames';

/** Writes an archive. Every byte of it is chosen by the test. */
export function makeTar(entries: readonly MadeEntry[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const content = Buffer.from(entry.content ?? '');
    const records = [
      ...Object.entries(entry.pax ?? {}).map(([key, value]) => paxRecord(key, Buffer.from(value, 'latin1'))),
      ...Object.entries(entry.attributes ?? {}).map(([key, value]) => paxRecord(`SCHILY.xattr.${key}`, value)),
    ];
    const header = writeHeader(
      {
        type: entry.type ?? '0',
        name: entry.name,
        link: entry.link ?? '',
        mode: entry.mode ?? (entry.type === '5' ? 0o755 : 0o644),
        uid: entry.uid ?? 0,
        gid: entry.gid ?? 0,
        size: content.length,
        mtime: 1_700_000_000,
        major: entry.major ?? 0,
        minor: entry.minor ?? 0,
      },
      records.length === 0 ? null : Buffer.concat(records),
    );
    return [header, content, padding(content.length)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

function paxRecord(key: string, value: Buffer): Buffer {
  const rest = key.length + value.length + 3;
  const digits = String(rest + String(rest).length).length;
  return Buffer.concat([Buffer.from(`${rest + digits} ${key}=`, 'latin1'), value, Buffer.from('\n')]);
}

export interface MadeBlob {
  readonly digest: string;
  readonly bytes: Buffer;
}

export interface MadeImage {
  readonly manifest: MadeBlob;
  readonly config: MadeBlob;
  readonly layers: readonly MadeBlob[];
  /** All of them. */
  readonly blobs: readonly MadeBlob[];
}

const blobOf = (bytes: Buffer): MadeBlob => ({
  bytes,
  digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
});

const manifestType = 'application/vnd.oci.image.manifest.v1+json';

/** Makes an image of layers. `change` may damage its config or manifest. */
export function makeImage(
  layers: readonly (readonly MadeEntry[] | Buffer)[],
  {
    packed = 'gzip',
    config = {},
    architecture = 'amd64',
    change = (value) => value,
  }: {
    readonly packed?: Packed;
    readonly config?: object;
    readonly architecture?: string;
    readonly change?: (manifest: Record<string, unknown>) => Record<string, unknown>;
  } = {},
): MadeImage {
  const archives = layers.map((layer) => (Buffer.isBuffer(layer) ? layer : makeTar(layer)));
  const madeLayers = archives.map((archive) => blobOf(pack(archive, packed)));
  const diffIds = archives.map((archive) => blobOf(archive).digest);
  const made = blobOf(
    Buffer.from(JSON.stringify({ os: 'linux', architecture, rootfs: { type: 'layers', diff_ids: diffIds }, config })),
  );
  const manifest = change({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: made.digest, size: made.bytes.length },
    layers: madeLayers.map(({ digest, bytes }) => ({
      // The type often does not say how a layer is packed.
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest,
      size: bytes.length,
    })),
  });
  const whole = blobOf(Buffer.from(JSON.stringify(manifest)));
  return { manifest: whole, config: made, layers: madeLayers, blobs: [whole, made, ...madeLayers] };
}

/** An index of images, by platform. */
export const makeIndex = (
  images: readonly { readonly image: MadeImage; readonly os: string; readonly architecture: string }[],
): MadeBlob =>
  blobOf(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        manifests: images.map(({ image: { manifest }, os, architecture }) => ({
          mediaType: manifestType,
          digest: manifest.digest,
          size: manifest.bytes.length,
          platform: { os, architecture },
        })),
      }),
    ),
  );

function pack(archive: Buffer, packed: Packed): Buffer {
  switch (packed) {
    case 'none':
      return archive;
    case 'gzip':
      return gzipSync(archive, { level: 1 });
    case 'zstd':
      return zstdCompressSync(archive);
    case 'zstd frames': {
      // As zstd:chunked has it: many frames, and one that is to be skipped.
      const skipped = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
      const frames: Buffer[] = [];
      for (let at = 0; at < archive.length; at += 700) frames.push(zstdCompressSync(archive.subarray(at, at + 700)));
      return Buffer.concat([...frames, skipped]);
    }
  }
}

/** The files of an image in the OCI layout, by their paths. */
export function layoutOf(image: MadeImage, top: MadeBlob = image.manifest): Readonly<Record<string, Buffer>> {
  const index = {
    schemaVersion: 2,
    manifests: [{ digest: top.digest, size: top.bytes.length, mediaType: manifestType }],
  };
  return {
    'oci-layout': Buffer.from('{"imageLayoutVersion":"1.0.0"}'),
    'index.json': Buffer.from(JSON.stringify(index)),
    ...Object.fromEntries(
      [...image.blobs, top].map(({ digest, bytes }) => [`blobs/sha256/${digest.slice('sha256:'.length)}`, bytes]),
    ),
  };
}
