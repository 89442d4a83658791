import { rm } from 'node:fs/promises';
import * as z from 'zod';
import type { ArchitectureName } from '@novasandbox/protocol';
import type { Layout } from '../../layout.ts';
import { readJson, sha256, writeJson } from '../../artifacts/stamp.ts';
import type { ImageConfig } from './manifest.ts';

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);

/** The record of an image that was fetched, for one processor: it says where the name led then. */
const recordSchema = z.object({
  version: z.literal(1),
  image: z.string(),
  architecture: z.string(),
  /** Digest of its manifest. */
  digest,
  config: digest,
  layers: z.array(z.object({ digest, size: z.int(), diffId: digest })),
  env: z.record(z.string(), z.string()),
  /** Name or number; empty: root. */
  user: z.string(),
  workdir: z.string(),
  /** Entrypoint and command. */
  start: z.array(z.string()),
  /** Such as `8080/tcp`. */
  ports: z.array(z.string()),
  labels: z.record(z.string(), z.string()),
});
export type ImageRecord = z.output<typeof recordSchema>;

/** The image of a template, for guests of a processor. */
export interface TemplateImage {
  /** Id of the template. Each has a record of its own, so that its image can be looked up anew for it alone. */
  readonly id: string;
  readonly image: string;
  readonly architecture: ArchitectureName;
}

/** The name of the record of a template's image. */
export const recordName = ({ id, image, architecture }: TemplateImage): string =>
  sha256(`${architecture} ${id} ${image}`);

/** The record of an image; null where it was not fetched. */
export const imageRecord = (layout: Layout, of: TemplateImage): ImageRecord | null =>
  readJson(layout.oci.image(recordName(of)), recordSchema);

export async function keepRecord(layout: Layout, of: TemplateImage, record: ImageRecord): Promise<void> {
  await writeJson(layout.oci.image(recordName(of)), record);
}

/** Forgets what a name led to, so that it is looked up anew. */
export async function forgetRecord(layout: Layout, of: TemplateImage): Promise<void> {
  await rm(layout.oci.image(recordName(of)), { force: true });
}

/**
 * The name of the root image that an image gives: the same layers are one root image, whatever the image is called.
 * Raise the number when the same layers give another root image, because code beside this file or the script changed.
 */
export const rootDigestOf = ({
  layers,
  architecture,
  workdir,
}: Pick<ImageRecord, 'layers' | 'architecture' | 'workdir'>): string =>
  sha256(JSON.stringify({ recipe: 1, architecture, workdir, layers: layers.map(({ diffId }) => diffId) }));

/** The path that commands search where the image names none, as container engines have it. */
const usualPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The parts of a config that hold for the guests of its template. */
export function settingsOf({
  config,
}: ImageConfig): Pick<ImageRecord, 'env' | 'user' | 'workdir' | 'start' | 'ports' | 'labels'> {
  const env: Record<string, string> = { PATH: usualPath };
  for (const pair of config?.Env ?? []) {
    const equals = pair.indexOf('=');
    // What is no variable cannot be set in a guest, nor in a container.
    if (equals > 0 && !pair.includes('\0')) env[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  const workdir = config?.WorkingDir ?? '';
  return {
    env,
    // The group is the user's own: the agent looks it up in the guest.
    user: (config?.User ?? '').split(':', 1)[0] ?? '',
    workdir: workdir.startsWith('/') ? workdir : `/${workdir}`,
    start: [...(config?.Entrypoint ?? []), ...(config?.Cmd ?? [])],
    ports: Object.keys(config?.ExposedPorts ?? {}),
    labels: config?.Labels ?? {},
  };
}
