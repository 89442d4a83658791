import * as z from 'zod';
import { architectureSchema, limits, nameSchema } from './sandbox.ts';

/** Whether an image's name is a path or names an image of a container engine, and so something of the host. */
export const isLocalImage = (name: string): boolean => /^\.{0,2}\/|^(?:docker|podman):(?!\d)/.test(name);

/** A name such as `python:3.13-slim`, or a path (images/oci/reference.ts in the engine). */
export const imageNameSchema = z.string().min(1).max(1000);

const packageName = z.string().regex(/^[a-z0-9][a-z0-9+.-]*$/, 'must be a Debian package name');

/** `templates/<id>/template.json`. */
export const templateSchema = z.strictObject({
  name: z.string().min(1).max(200),
  template_id: nameSchema,
  os_type: z.enum(['linux', 'windows']).default('linux'),
  description: z.string().max(2000).optional(),
  memory_mb: z.int().min(limits.minMemoryMb).max(limits.maxMemoryMb).default(512),
  /**
   * Minimum RAM, in MiB, with which the kernel and the warm-up commands can boot. The default is what Debian's kernel
   * needs, with room to spare.
   */
  min_memory_mb: z.int().min(limits.minMemoryMb).max(limits.maxMemoryMb).default(128),
  vcpus: z.int().min(1).max(limits.maxVcpus).default(1),
  /** Expected start time in ms: a target to measure against, not a limit. */
  boot_time_ms: z.number().positive().default(250),
  disk_size_gb: z.number().positive().max(16_384).default(4),
  kernel_version: z.string().default('distribution'),
  /** Files that must exist beside template.json; if empty, they are built. */
  required_files: z.array(z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/)).default([]),
  packages: z.array(packageName).max(500).default([]),
  source: z
    .discriminatedUnion('type', [
      /** Built from Debian packages. */
      z.strictObject({
        type: z.literal('debian'),
        suite: z
          .string()
          .regex(/^[a-z]+$/)
          .default('bookworm'),
        variant: z.enum(['essential', 'minbase', 'apt']).default('minbase'),
      }),
      /** Made of an image in a registry or in files of the host. */
      z.strictObject({ type: z.literal('oci'), image: imageNameSchema }),
      /** A file with an ext4, erofs or squashfs file system; the kernel is the distribution's. */
      z.strictObject({ type: z.literal('disk'), path: z.string().max(4096).startsWith('/') }),
      /** Ready-made: vmlinux and rootfs.ext4 lie beside template.json. */
      z.strictObject({ type: z.literal('files') }),
    ])
    .default({ type: 'files' }),
  /**
   * Default user of commands, by name or number; default: root, or the one that the OCI image names. If it is `user`, a
   * root image of Debian packages gets that user, with password-less sudo.
   */
  user: z
    .string()
    .regex(/^(?:[a-z_][a-z0-9_-]{0,31}|\d{1,10})$/)
    .optional(),
  /** Commands run once before the snapshot, so that clones already have in memory what a first command needs. */
  warm: z
    .array(z.array(z.string().min(1)).min(1))
    .max(32)
    .default([]),
  env: z.record(z.string(), z.string()).default({}),
  /** Folder in which commands run; default: the one that the OCI image names, else the home of the user. */
  workdir: z
    .string()
    .max(4096)
    .regex(/^\/[^\0]*$/, 'must be an absolute path')
    .optional(),
  /** Command that `nova run` runs where none is given; default: entrypoint and command of the OCI image. */
  start: z.array(z.string()).max(1000).default([]),
});
export type Template = z.output<typeof templateSchema>;

/** What an OCI image says of itself. */
const imageInfoSchema = z.object({
  /** Its whole name, or its path. */
  name: z.string(),
  /** Digest of the manifest that the name led to when it was fetched. */
  digest: z.string(),
  layers: z.int(),
  /** Sum of its packed layers, bytes. */
  sizeBytes: z.number(),
  /** Such as `8080/tcp`. */
  ports: z.array(z.string()),
  labels: z.record(z.string(), z.string()),
});
export type ImageInfo = z.infer<typeof imageInfoSchema>;

export const templateInfoSchema = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  source: z.string(),
  directory: z.string(),
  memoryMb: z.int(),
  /** Minimum memory of its sandboxes, in MiB. */
  minMemoryMb: z.int(),
  vcpus: z.int(),
  diskSizeMb: z.int(),
  user: z.string(),
  packages: z.array(z.string()),
  /** Folder in which commands run; null: the home of the user. */
  workdir: z.string().nullable(),
  /** Command that `nova run` runs where none is given; empty: there is none. */
  start: z.array(z.string()),
  /** Its OCI image for the host's own processor; null where it is made of none, or that was not fetched. */
  image: imageInfoSchema.nullable(),
  /** Whether its root image exists for the host's own processor. */
  built: z.boolean(),
  /** The processors for which its root image exists. */
  architectures: z.array(architectureSchema),
  /** Size of the root image on disk in bytes, if it is built. */
  sizeBytes: z.number().nullable(),
  snapshots: z.int(),
  digest: z.string().nullable(),
  /** Reason why it cannot be used, if its template.json is damaged. */
  problem: z.string().nullable(),
});
export type TemplateInfo = z.infer<typeof templateInfoSchema>;
