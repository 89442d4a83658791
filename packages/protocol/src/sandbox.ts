import * as z from 'zod';
import { hypervisorNameSchema } from './hypervisors.ts';

/** Text that reaches a system call must not contain NUL, which would end it there. */
// oxlint-disable-next-line no-control-regex -- the character that is forbidden here
export const withoutNul = /^[^\u0000]*$/;

/** A name that people type; it can be neither a path nor an option. */
export const nameSchema = z
  .string()
  .min(1)
  .max(64)
  .regex(
    /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/,
    'must begin with a letter or digit and hold only letters, digits, ".", "_" and "-"',
  )
  .regex(/^(?!.*\.\.)/, 'must not contain ".."');

/** Sandbox ids consist of lower case letters and digits only, because E2B's clients put them into host names. */
export const sandboxIdSchema = z.string().regex(/^[a-z0-9]{4,40}$/);

/** Ids of snapshots. They begin unlike those of sandboxes, so that one is not taken for the other. */
export const snapshotIdSchema = z.string().regex(/^snap[a-z0-9]{16}$/);

/** Processors that guests can have, by their names in Debian and OCI: x86-64 and AArch64. */
export const architectureSchema = z.enum(['amd64', 'arm64']);
export type ArchitectureName = z.infer<typeof architectureSchema>;

export const absolutePath = z
  .string()
  .min(1)
  .max(4096)
  .regex(/^\//, 'must be an absolute path')
  .regex(withoutNul, 'must not contain a NUL byte');

export const environmentSchema = z
  .record(
    z
      .string()
      .min(1)
      .max(256)
      .regex(/^[^=]+$/, 'must not contain "="')
      .regex(withoutNul, 'must not contain NUL'),
    z.string().max(131_072).regex(withoutNul, 'must not contain NUL'),
  )
  .refine((env) => Object.keys(env).length <= 1024, 'at most 1024 variables')
  .meta({ maxProperties: 1024 });

export const extraDriveSchema = z.strictObject({
  /** A raw disk image on the host that contains a file system. */
  path: absolutePath,
  /** Where the guest mounts it. */
  mountPath: absolutePath.regex(/^[^\s:,]+$/, 'must not contain white space, ":" or ","'),
  fsType: z.enum(['ext4', 'erofs', 'squashfs']).default('ext4'),
  readOnly: z.boolean().default(true),
});
export type ExtraDrive = z.infer<typeof extraDriveSchema>;
export type ExtraDriveInput = z.input<typeof extraDriveSchema>;

/** A path at which the guest can mount a volume: not the root, nor a folder that the guest itself needs. */
const mountPathSchema = absolutePath
  .max(1024)
  .regex(/^(?!\/+$)/, 'must not be the root')
  .regex(/^(?!.*\/\.\.(?:\/|$))/, 'must not contain ".."')
  .regex(/^(?!\/(?:dev|proc|sys|run\/nova)(?:\/|$))/, 'must not be below /dev, /proc, /sys or /run/nova');

/** A volume that a sandbox is to have. */
export const volumeMountSchema = z.strictObject({
  /** Its name or id. */
  name: nameSchema,
  /** Where the guest mounts it. */
  path: mountPathSchema,
  /** Several sandboxes may read a volume at once, and only one may have it when it writes. */
  readOnly: z.boolean().default(false),
});
export type VolumeMount = z.output<typeof volumeMountSchema>;

/** Limits of one drive, or of each direction of a network. A limit that is left out does not apply. */
export const rateLimitSchema = z
  .strictObject({
    bytesPerSecond: z.int().min(65_536).max(Number.MAX_SAFE_INTEGER).optional(),
    operationsPerSecond: z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  })
  .refine((limit) => Object.values(limit).some((value) => value !== undefined), 'limits nothing')
  .meta({ minProperties: 1 });

/**
 * Limits per second of the writable layer, and of the network in each direction; operations are requests or packets.
 */
export const rateLimitsSchema = z.strictObject({
  disk: rateLimitSchema.optional(),
  network: rateLimitSchema.optional(),
});
export type RateLimits = z.output<typeof rateLimitsSchema>;

/**
 * The action at the end of a sandbox's time to live. `hibernate-disk`: it is hibernated with its disk alone, and
 * boots when it is resumed.
 */
export const onTimeoutSchema = z.enum(['stop', 'pause', 'hibernate', 'hibernate-disk']);
export type OnTimeout = z.infer<typeof onTimeoutSchema>;

/** Limits of a config that apply on every host; the engine also checks the host's own memory and CPUs. */
export const limits = {
  minMemoryMb: 96,
  maxMemoryMb: 1_048_576,
  maxVcpus: 64,
  minDiskMb: 64,
  maxDiskMb: 16_777_216,
} as const;

/** New sizes for a sandbox, which it keeps. */
export const resizeSchema = z
  .strictObject({
    vcpus: z.int().min(1).optional(),
    /** RAM of the guest in MiB. */
    memoryMb: z.int().min(1).optional(),
    /** Size of the writable disk in MiB, which can only grow. */
    diskSizeMb: z.int().min(limits.minDiskMb).max(limits.maxDiskMb).optional(),
  })
  .refine((sizes) => Object.values(sizes).some((size) => size !== undefined), 'changes nothing')
  .meta({ minProperties: 1 });
export type Resize = z.output<typeof resizeSchema>;

/** Labels with this prefix belong to the daemon: they say how a sandbox is guarded, and nobody else may set them. */
export const reservedLabelPrefix = 'novasandbox.';

/** Returns the labels that a caller gave. */
export const givenLabels = (labels: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).filter(([key]) => !key.startsWith(reservedLabelPrefix)));

/** Labels that a caller may set. */
export const labelsSchema = z
  .record(
    z
      .string()
      .min(1)
      .max(128)
      .regex(/^(?!novasandbox\.)/, `names that begin with "${reservedLabelPrefix}" are reserved`),
    z.string().max(1024),
  )
  .refine((labels) => Object.keys(labels).length <= 64, 'at most 64 labels')
  .meta({ maxProperties: 64 });

/**
 * `creating`: the sandbox is being created, started again or woken. `hibernated`: it has no machine and uses no memory;
 * it goes on where it was when it is resumed. `stopping`: its machine is being ended, or has ended and
 * is being cleaned up. `failed`: its record is damaged, and it can only be removed.
 */
export const sandboxStateSchema = z.enum([
  'creating',
  'running',
  'paused',
  'stopping',
  'hibernated',
  'stopped',
  'failed',
]);
export type SandboxState = z.infer<typeof sandboxStateSchema>;

export const bootKindSchema = z.enum(['cold', 'snapshot', 'process']);

/** A sandbox as described by its record. */
export const sandboxInfoSchema = z.object({
  id: sandboxIdSchema,
  name: nameSchema.nullable(),
  /** Null if the sandbox belongs to the host itself. */
  owner: z.string().nullable(),
  team: z.string().nullable(),
  state: sandboxStateSchema,
  templateId: z.string(),
  hypervisor: hypervisorNameSchema,
  architecture: architectureSchema,
  memoryMb: z.int(),
  vcpus: z.int(),
  diskSizeMb: z.int(),
  enableNetwork: z.boolean(),
  hostPort: z.int().nullable(),
  guestPort: z.int(),
  labels: z.record(z.string(), z.string()),
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().nullable(),
  stoppedAt: z.iso.datetime().nullable(),
  /** End of the time to live. */
  expiresAt: z.iso.datetime().nullable(),
  ephemeral: z.boolean(),
  /** The action at the end of the time to live. */
  onTimeout: onTimeoutSchema,
  /** Whether a command, file or port request wakes it. */
  autoResume: z.boolean(),
  metadata: z.object({
    /** Time from the call to the agent's first answer, in ms. */
    bootTimeMs: z.number().nullable(),
    bootKind: bootKindSchema.nullable(),
    accelerator: z.string().nullable(),
  }),
  /** Reason for a failure or stop, if known. */
  reason: z.string().nullable(),
  /** Disks of the running guest that are full: mount points of volumes, and `/` for the writable layer. */
  fullDisks: z.array(z.string()).default([]),
  /** The sandbox that it is a fork of, which may have been removed since. */
  forkedFrom: sandboxIdSchema.nullable().default(null),
  /**
   * The snapshot that it was last taken to, made from, or taken back to, which may have been removed since. A child of
   * a fork begins with its parent's.
   */
  snapshotId: snapshotIdSchema.nullable().default(null),
  /** When it was last taken back to a snapshot. What was done to it before may be undone. */
  restoredAt: z.iso.datetime().nullable().default(null),
  volumes: z.array(volumeMountSchema).default([]),
  /** Private networks that it has joined, as its config names them. */
  networks: z.array(z.string()).default([]),
});
export type SandboxInfo = z.infer<typeof sandboxInfoSchema>;

export const sandboxStatsSchema = z.object({
  timestamp: z.iso.datetime(),
  uptimeMs: z.number(),
  cpuCount: z.int(),
  /** CPU time the guest has used since its boot, in microseconds. */
  cpuUsageUs: z.number(),
  memoryTotalMb: z.number(),
  memoryUsageMb: z.number(),
  memoryCacheMb: z.number(),
  diskTotalMb: z.number(),
  diskUsageMb: z.number(),
  processes: z.int(),
  networkRxBytes: z.number(),
  networkTxBytes: z.number(),
  /** Resident memory and CPU time of the VMM process on the host. */
  host: z.object({ rssMb: z.number(), cpuUsageUs: z.number() }),
});
export type SandboxStats = z.infer<typeof sandboxStatsSchema>;

/** Allowed changes of state. The store refuses all others. */
export const transitions: Readonly<Record<SandboxState, readonly SandboxState[]>> = {
  // A start that fails or is interrupted leads to `stopped`, and one that was to wake it to `hibernated`; a sandbox
  // created for the first time is then removed.
  creating: ['running', 'stopped', 'hibernated'],
  running: ['paused', 'stopping'],
  paused: ['running', 'stopping'],
  stopping: ['stopped', 'hibernated'],
  hibernated: ['creating', 'stopped'],
  stopped: ['creating'],
  failed: [],
};

/** Whether a sandbox in this state has a machine, or goes on where it was when it is resumed. */
export const isLive = (state: SandboxState): boolean => hasMachine(state) || state === 'hibernated';

/** Whether a sandbox in this state has a machine and therefore uses resources of the host. */
export const hasMachine = (state: SandboxState): boolean =>
  state === 'running' || state === 'paused' || state === 'stopping';
