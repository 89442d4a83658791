import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { NovaError, parse } from '@novasandbox/protocol';
import type { Layout } from '../../layout.ts';

const host = z.string().min(1).max(300);

/** `registries.json` of the state folder. Everything in it may be left out. */
const settingsSchema = z.strictObject({
  /** Addresses to try first, by the registry that they have images of: `{"docker.io": ["https://mirror.example"]}`. */
  mirrors: z.record(host, z.array(z.url({ protocol: /^https?$/ })).max(10)).default({}),
  /**
   * Registries, as `host` or `host:port`, that are spoken to without TLS. Those on this host's loopback always may be.
   */
  insecure: z.array(host).default([]),
  /** Files with certificates of authorities to trust besides the system's, by registry. */
  certificates: z.record(host, z.string().startsWith('/')).default({}),
  limits: z
    .strictObject({
      /** The most that the layers of an image may hold, unpacked, GiB. */
      image_gb: z.number().positive().default(64),
      /** The most files in all layers of an image. An index of them is in memory: about 300 bytes for each. */
      files: z.int().positive().default(2_000_000),
    })
    .default({ image_gb: 64, files: 2_000_000 }),
});
export type RegistrySettings = z.output<typeof settingsSchema>;

/**
 * Reads the settings, which are as usual where the file is missing.
 * @throws NovaError `invalid_argument` naming the field
 */
export async function registrySettings(layout: Layout): Promise<RegistrySettings> {
  const file = layout.oci.settings;
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '{}';
    throw error;
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new NovaError('invalid_argument', `${file} is not JSON: ${String(error)}`, { cause: error });
  }
  return parse(settingsSchema, value, file);
}
