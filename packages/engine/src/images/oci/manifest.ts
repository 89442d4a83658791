import * as z from 'zod';
import { NovaError, type ArchitectureName } from '@novasandbox/protocol';
import { digestPattern } from './reference.ts';

/** Manifests are small. A registry may not make us keep more than this in memory, bytes (the limit of registries). */
export const largestManifest = 4 * 1024 * 1024;
/** No image has more layers than this: overlayfs allows 500 lower layers, engines 127. */
const mostLayers = 1000;

const digest = z.string().regex(digestPattern, 'must be a SHA-256 digest');

const descriptorSchema = z.object({
  mediaType: z.string().optional(),
  digest,
  size: z.int().min(0),
  annotations: z.record(z.string(), z.string()).optional(),
  platform: z.object({ os: z.string(), architecture: z.string(), variant: z.string().optional() }).partial().optional(),
});
export type Descriptor = z.infer<typeof descriptorSchema>;

const indexSchema = z.object({ manifests: z.array(descriptorSchema).max(10_000) });
const manifestSchema = z.object({ config: descriptorSchema, layers: z.array(descriptorSchema).max(mostLayers) });
export type ImageManifest = z.infer<typeof manifestSchema>;

/** The media types that are asked for: those of OCI and of Docker. */
export const acceptedTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];

/** Reads an index or a manifest; which of the two it is, its fields say. */
export function readManifest(
  bytes: Buffer,
  name: string,
): { readonly index: readonly Descriptor[] } | { readonly manifest: ImageManifest } {
  const value = readJsonOf(bytes, name);
  const index = indexSchema.safeParse(value);
  if (index.success) return { index: index.data.manifests };
  const manifest = manifestSchema.safeParse(value);
  if (manifest.success) return { manifest: manifest.data };
  if (typeof value === 'object' && value !== null && 'fsLayers' in value)
    throw invalidImage(`${name} has a manifest of the first version of Docker's format, which nobody writes any more`);
  throw invalidImage(`${name} has no manifest that can be read: ${z.prettifyError(manifest.error)}`);
}

/** The names of variants that a guest of that processor runs; the first is the best. */
const variantsOf: Readonly<Record<ArchitectureName, readonly string[]>> = {
  amd64: ['', 'v1', 'v2'],
  arm64: ['v8', ''],
};

/**
 * The part of an index for a processor. Attestations, which BuildKit adds for the platform `unknown/unknown`, are no
 * images.
 * @throws NovaError `image_not_found` with the platforms that there are
 */
export function choosePlatform(index: readonly Descriptor[], architecture: ArchitectureName, name: string): Descriptor {
  const images = index.filter(
    ({ platform, annotations }) =>
      platform?.os !== 'unknown' && annotations?.['vnd.docker.reference.type'] !== 'attestation-manifest',
  );
  for (const variant of variantsOf[architecture]) {
    const found = images.find(
      ({ platform }) =>
        platform?.os === 'linux' && platform.architecture === architecture && (platform.variant ?? '') === variant,
    );
    if (found !== undefined) return found;
  }
  // An index of a single image often says nothing of its platform: the image's config does.
  const [only, ...others] = images;
  if (only !== undefined && others.length === 0 && only.platform?.os === undefined) return only;
  const there = images.map(({ platform }) => `${platform?.os ?? '?'}/${platform?.architecture ?? '?'}`);
  throw new NovaError(
    'image_not_found',
    `${name} has no image for linux/${architecture}, but for ${[...new Set(there)].slice(0, 20).join(', ') || 'none'}.`,
    { hint: 'Choose an image for this processor, or give another with --arch.' },
  );
}

const wordsSchema = z.array(z.string()).nullish();
const configSchema = z.object({
  os: z.string().optional(),
  architecture: z.string().optional(),
  rootfs: z.object({ diff_ids: z.array(digest).max(mostLayers) }),
  config: z
    .object({
      Env: wordsSchema,
      User: z.string().nullish(),
      WorkingDir: z.string().nullish(),
      Entrypoint: wordsSchema,
      Cmd: wordsSchema,
      ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
      Labels: z.record(z.string(), z.string()).nullish(),
    })
    .nullish(),
});
export type ImageConfig = z.infer<typeof configSchema>;

/** Reads the config of an image, and refuses one for another system or processor. */
export function readConfig(bytes: Buffer, architecture: ArchitectureName, name: string): ImageConfig {
  const config = configSchema.safeParse(readJsonOf(bytes, name));
  if (!config.success) throw invalidImage(`the config of ${name} cannot be read: ${z.prettifyError(config.error)}`);
  const { os = 'linux', architecture: processor = architecture } = config.data;
  if (os !== 'linux' || processor !== architecture) {
    throw new NovaError(
      'image_not_found',
      `${name} is an image for ${os}/${processor}, not for linux/${architecture}.`,
      {
        hint: 'Choose an image for this processor, or give another with --arch.',
      },
    );
  }
  return config.data;
}

function readJsonOf(bytes: Buffer, name: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw invalidImage(`${name} has a part that is not JSON`, error);
  }
}

/** An image that breaks the format; `what` is a clause that says how. */
export const invalidImage = (what: string, cause?: unknown): NovaError =>
  new NovaError('image_invalid', `The image cannot be used: ${what}.`, { cause });
