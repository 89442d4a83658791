import * as z from 'zod';

/** No text that reaches a system call may hold NUL, where it would end. */
// oxlint-disable-next-line no-control-regex -- it is the character that must not be there
export const withoutNul = /^[^\u0000]*$/;

/** A name people type: never a path, never an option. */
export const nameSchema = z
  .string()
  .min(1)
  .max(64)
  .regex(
    /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/,
    'must begin with a letter or digit and hold only letters, digits, ".", "_" and "-"',
  )
  .regex(/^(?!.*\.\.)/, 'must not contain ".."');

/** Sandbox ids: E2B's clients put them into host names, hence lower case and digits alone. */
export const sandboxIdSchema = z.string().regex(/^[a-z0-9]{4,40}$/);

export const hypervisorNameSchema = z.enum(['qemu', 'firecracker', 'cloud-hypervisor', 'apple-vz', 'process']);
export type HypervisorName = z.infer<typeof hypervisorNameSchema>;

/** Processors that guests can be for, by the names Debian and OCI have for them: x86-64 and AArch64. */
export const architectureSchema = z.enum(['amd64', 'arm64']);
export type ArchitectureName = z.infer<typeof architectureSchema>;

const absolutePath = z
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
  /** A raw disk image on the host, with a file system on it. */
  path: absolutePath,
  /** Where the guest mounts it. */
  mountPath: absolutePath.regex(/^[^\s:,]+$/, 'must not contain white space, ":" or ","'),
  fsType: z.enum(['ext4', 'erofs', 'squashfs']).default('ext4'),
  readOnly: z.boolean().default(true),
});
export type ExtraDrive = z.infer<typeof extraDriveSchema>;
export type ExtraDriveInput = z.input<typeof extraDriveSchema>;

/** Of one drive, or of each direction of a network. What is left out is not limited. */
export const rateLimitSchema = z
  .strictObject({
    bytesPerSecond: z.int().min(65_536).max(Number.MAX_SAFE_INTEGER).optional(),
    operationsPerSecond: z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  })
  .refine((limit) => Object.values(limit).some((value) => value !== undefined), 'limits nothing')
  .meta({ minProperties: 1 });

/** New sizes for a running sandbox. */
export const resizeSchema = z
  .strictObject({
    vcpus: z.int().min(1).optional(),
    /** RAM of the guest in MiB. */
    memoryMb: z.int().min(1).optional(),
  })
  .refine(({ vcpus, memoryMb }) => vcpus !== undefined || memoryMb !== undefined, 'changes nothing')
  .meta({ minProperties: 1 });
export type Resize = z.output<typeof resizeSchema>;

/** Limits of a config that hold on every host; the host's own memory and CPUs are checked by the engine. */
export const limits = {
  minMemoryMb: 96,
  maxMemoryMb: 1_048_576,
  maxVcpus: 64,
  minDiskMb: 64,
  maxDiskMb: 16_777_216,
} as const;

/** Labels that begin so are the daemon's own: they say how a sandbox is guarded, and nobody else may set them. */
export const reservedLabelPrefix = 'novasandbox.';

/** The labels that a caller gave. */
export const givenLabels = (labels: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).filter(([key]) => !key.startsWith(reservedLabelPrefix)));

/** What a sandbox is made of. Everything has a default; sizes default to the template's. */
export const sandboxConfigSchema = z.strictObject({
  /** The template to clone. */
  templateId: nameSchema.default('base'),
  /** A name of one's own, unique among the sandboxes of its owner. */
  name: nameSchema.optional(),
  /** RAM of the guest in MiB. */
  memoryMb: z.int().min(limits.minMemoryMb).max(limits.maxMemoryMb).optional(),
  vcpus: z.int().min(1).max(limits.maxVcpus).optional(),
  /** Size of the writable layer in MiB. */
  diskSizeMb: z.int().min(limits.minDiskMb).max(limits.maxDiskMb).optional(),
  /** Most processes and threads the guest may hold at once. */
  maxProcesses: z.int().min(16).max(1_000_000).default(4096),
  /** How long a cold boot may take, ms. A clone is judged by the same limit. */
  bootTimeoutMs: z.int().min(100).max(600_000).default(60_000),
  /** Words added to the kernel command line. The sandbox then boots cold. */
  kernelArgs: z
    .string()
    .max(1024)
    .regex(/^[\x20-\x7e]*$/, 'must be printable ASCII')
    .optional(),
  /** Outbound network by NAT. Without it the VMM has no network interface at all. */
  enableNetwork: z.boolean().default(true),
  /** A TCP port on the host's loopback that leads to `guestPort`. */
  hostPort: z.int().min(1).max(65_535).optional(),
  guestPort: z.int().min(1).max(65_535).default(8080),
  /** An ext4, erofs or squashfs image in place of the template's root. The sandbox then boots cold. */
  rootfsPath: absolutePath.optional(),
  /** More disks. The sandbox then boots cold. */
  extraDrives: z.array(extraDriveSchema).max(8).default([]),
  /**
   * A firmware image of the hypervisor's (CLOUDHV.fd for Cloud Hypervisor) that boots the disk image `rootfsPath` with its own boot loader and kernel. The
   * guest has to run an agent on vsock port 1024; the template's kernel, root and warm-up play no part.
   */
  firmwarePath: absolutePath.optional(),
  /** Offer what Windows guests expect of a hypervisor (Hyper-V's interfaces). The sandbox then boots cold. */
  hyperv: z.boolean().default(false),
  /** Most that the writable layer, and the network in each direction, may do in a second; operations are requests or packets. */
  rateLimits: z.strictObject({ disk: rateLimitSchema.optional(), network: rateLimitSchema.optional() }).default({}),
  /** Keep the root file system read-only (/tmp and /run stay writable, in memory). */
  readOnlyRootfs: z.boolean().default(false),
  labels: z
    .record(
      z
        .string()
        .min(1)
        .max(128)
        .regex(/^(?!novasandbox\.)/, `names that begin with "${reservedLabelPrefix}" are reserved`),
      z.string().max(1024),
    )
    .refine((l) => Object.keys(l).length <= 64, 'at most 64 labels')
    .meta({ maxProperties: 64 })
    .default({}),
  /** Environment of every command in the sandbox. */
  env: environmentSchema.default({}),
  /** User that commands run as unless they say otherwise; default: the template's. */
  user: z.string().min(1).max(64).optional(),
  /** Time to live in ms, 0 for none. The guest powers itself off then, whoever is still there. */
  timeoutMs: z
    .int()
    .min(0)
    .max(30 * 86_400_000)
    .default(0),
  /** Remove the sandbox as soon as it stops. */
  ephemeral: z.boolean().default(false),
  hypervisor: z.union([z.literal('auto'), hypervisorNameSchema]).default('auto'),
  /** The processor of the guest; default: the host's own. Another one is emulated. */
  architecture: architectureSchema.optional(),
});
export type SandboxConfigInput = z.input<typeof sandboxConfigSchema>;
export type SandboxConfig = z.output<typeof sandboxConfigSchema>;

export const sandboxStateSchema = z.enum(['creating', 'running', 'paused', 'stopped', 'failed']);
export type SandboxState = z.infer<typeof sandboxStateSchema>;

export const bootKindSchema = z.enum(['cold', 'snapshot', 'process']);

/** A sandbox as its record tells of it. */
export const sandboxInfoSchema = z.object({
  id: sandboxIdSchema,
  name: nameSchema.nullable(),
  /** null: it belongs to the host itself. */
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
  /** When the time to live ends. */
  expiresAt: z.iso.datetime().nullable(),
  ephemeral: z.boolean(),
  metadata: z.object({
    /** From the call to the first answer of the agent, ms. */
    bootTimeMs: z.number().nullable(),
    bootKind: bootKindSchema.nullable(),
    accelerator: z.string().nullable(),
  }),
  /** Why it failed or stopped, where that is known. */
  reason: z.string().nullable(),
});
export type SandboxInfo = z.infer<typeof sandboxInfoSchema>;

export const sandboxStatsSchema = z.object({
  timestamp: z.iso.datetime(),
  uptimeMs: z.number(),
  cpuCount: z.int(),
  /** CPU time the guest has used since its boot, microseconds. */
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

/** Which state may follow which; the one place that says so. */
export const transitions: Readonly<Record<SandboxState, readonly SandboxState[]>> = {
  creating: ['running', 'failed', 'stopped'],
  running: ['paused', 'stopped', 'failed'],
  paused: ['running', 'stopped', 'failed'],
  stopped: ['creating', 'running'],
  failed: ['creating', 'stopped'],
};
