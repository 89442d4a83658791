import * as z from 'zod';
import { imageNameSchema, type ImageInfo, type TemplateInfo } from '../template.ts';
import { driverFeaturesSchema } from '../driver-features.ts';
import { architectureSchema, nameSchema } from '../sandbox.ts';
import { inCamelCase } from './names.ts';
import { permissionSchema, roleSchema } from '../permissions.ts';

export const healthSchema = z.object({ status: z.literal('ok') });
export const readySchema = z.object({
  ready: z.boolean(),
  checks: z.record(z.string(), z.object({ ok: z.boolean(), detail: z.string() })),
});
export const statusSchema = z.object({
  version: z.string(),
  uptime_seconds: z.number(),
  vms: z.record(z.string(), z.int()),
  hypervisor: z.string(),
  accelerator: z.string(),
});
export const systemInfoSchema = z.object({
  version: z.string(),
  node: z.string(),
  platform: z.string(),
  kernel: z.string(),
  architecture: z.string(),
  cpus: z.int(),
  memory_mb: z.number(),
  hypervisors: z.array(
    z.object({
      name: z.string(),
      available: z.boolean(),
      accelerator: z.string(),
      version: z.string(),
      reason: z.string(),
      features: driverFeaturesSchema,
    }),
  ),
});
export const systemMetricsSchema = z.object({
  timestamp: z.iso.datetime(),
  cpu_usage_percent: z.number(),
  load_1: z.number(),
  memory_total_mb: z.number(),
  memory_available_mb: z.number(),
  disk_total_mb: z.number(),
  disk_free_mb: z.number(),
  vms_running: z.int(),
  vms_paused: z.int(),
  daemon_rss_mb: z.number(),
});
export const diagnosticsSchema = z.object({
  checks: z.array(
    z.object({ subject: z.string(), ok: z.boolean(), detail: z.string(), remedy: z.string().nullable() }),
  ),
});
export const emergencyStopSchema = z.object({
  stopped: z.array(z.string()),
  failed: z.array(z.object({ id: z.string(), message: z.string() })),
});

export const templateWireSchema = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  source: z.string(),
  memory_mb: z.int(),
  min_memory_mb: z.int().describe('The least that a VM of it may be given'),
  vcpus: z.int(),
  disk_mb: z.int(),
  user: z.string(),
  packages: z.array(z.string()),
  workdir: z.string().nullable().describe('Folder in which commands run; null: the home of the user'),
  start: z.array(z.string()).describe('Command that `nova run` runs where none is given'),
  image: z
    .object({
      name: z.string(),
      digest: z.string(),
      layers: z.int(),
      size_bytes: z.number(),
      ports: z.array(z.string()),
      labels: z.record(z.string(), z.string()),
    })
    .nullable()
    .describe('The OCI image that it is made of, where it was fetched'),
  built: z.boolean(),
  architectures: z.array(architectureSchema).describe('The processors its root image is there for'),
  size_bytes: z.number().nullable(),
  snapshots: z.int(),
  digest: z.string().nullable(),
  problem: z.string().nullable().describe('Why it cannot be used, where its template.json is damaged'),
});
export type TemplateWire = z.infer<typeof templateWireSchema>;
const imageWireOf = ({ sizeBytes, ...image }: ImageInfo): TemplateWire['image'] => ({
  ...image,
  size_bytes: sizeBytes,
});
const imageOfWire = ({ size_bytes: sizeBytes, ...image }: NonNullable<TemplateWire['image']>): ImageInfo => ({
  ...image,
  sizeBytes,
});
export const templateWireOf = (t: TemplateInfo): TemplateWire => ({
  id: t.id,
  name: t.name,
  description: t.description,
  source: t.source,
  memory_mb: t.memoryMb,
  min_memory_mb: t.minMemoryMb,
  vcpus: t.vcpus,
  disk_mb: t.diskSizeMb,
  user: t.user,
  packages: t.packages,
  workdir: t.workdir,
  start: t.start,
  image: t.image === null ? null : imageWireOf(t.image),
  built: t.built,
  architectures: t.architectures,
  size_bytes: t.sizeBytes,
  snapshots: t.snapshots,
  digest: t.digest,
  problem: t.problem,
});
/** The template's path on the daemon's host is not reported. */
export function templateOfWire(wire: TemplateWire): TemplateInfo {
  const { diskMb: diskSizeMb, ...same } = inCamelCase(wire);
  return { ...same, diskSizeMb, directory: '', image: wire.image === null ? null : imageOfWire(wire.image) };
}
export const templateListSchema = z.object({ templates: z.array(templateWireSchema) });
export const buildTemplateSchema = z.strictObject({
  force: z.boolean().default(false),
  /** The processor to build for; default: that of the server. */
  architecture: architectureSchema.optional(),
  /** OCI image to make the template of; what belongs to the host needs `system:admin`. */
  image: imageNameSchema.optional(),
});

// Authentication and access.
const username = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.@-]*$/);
/** A given team name cannot contain a colon: a user's own team is named after its owner, such as `user:ann`. */
const team = nameSchema.describe('Default: a team of its own');
const password = z.string().min(12).max(256);
export const loginSchema = z.strictObject({ username, password: z.string().min(1).max(256) });
export const loggedInSchema = z.object({
  access_token: z.string(),
  token_type: z.literal('bearer'),
  expires_in: z.int(),
});
export const socketTicketSchema = z.object({
  ticket: z.string(),
  expires_in: z.int(),
});
export const whoAmISchema = z.object({
  kind: z.enum(['key', 'user', 'local']),
  name: z.string(),
  role: roleSchema,
  owner: z.string().nullable().describe('The owner of VMs that are made with these credentials; null: the host'),
  team: z.string().nullable(),
  permissions: z.array(permissionSchema),
});
export const createUserSchema = z.strictObject({
  username,
  password,
  role: roleSchema.default('user'),
  team: team.optional(),
});
export const userSchema = z.object({
  username: z.string(),
  role: roleSchema,
  team: z.string(),
  created_at: z.iso.datetime(),
  locked_until: z.iso.datetime().nullable(),
});
export const userListSchema = z.object({ users: z.array(userSchema) });
export const createKeySchema = z.strictObject({
  name: z.string().min(1).max(64),
  role: roleSchema.default('user'),
  /** The user who owns the key; default: nobody, so VMs created with the key belong to the key itself. */
  username: username.optional(),
  /** The team of a key without a user; a user's key has the user's team. */
  team: team.optional(),
  /** Limits the permissions of the role; empty: all of them. */
  scopes: z.array(permissionSchema).max(50).default([]),
  expires_in_seconds: z
    .int()
    .min(1)
    .max(10 * 365 * 86_400)
    .optional(),
});
const keySchema = z.object({
  id: z.string(),
  name: z.string(),
  role: roleSchema,
  username: z.string().nullable(),
  team: z.string().nullable(),
  scopes: z.array(permissionSchema),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime().nullable(),
  last_used_at: z.iso.datetime().nullable(),
  revoked: z.boolean(),
});
export const createdKeySchema = keySchema.extend({
  key: z.string().describe('Shown once. `e2b_key` is the same key for E2B clients.'),
  e2b_key: z.string(),
});
export const keyListSchema = z.object({ keys: z.array(keySchema) });
export const roleListSchema = z.object({
  roles: z.array(
    z.object({
      name: roleSchema,
      reach: z.enum(['own', 'team', 'all']).describe("Whose VMs it acts on: one's own, the team's, or all"),
      permissions: z.array(permissionSchema),
    }),
  ),
});
