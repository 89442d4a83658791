import { field } from './field.ts';

export type { Field } from './field.ts';

const restarts = 'the sandbox then boots cold';
const ofHost = { because: 'What lies on the host of a daemon is not for its clients to name.' };

/**
 * The table of a sandbox's config fields. Schemas, REST bodies, command line options, arguments of Python, documents,
 * permissions and feature checks are derived from it: a new field is a row here, plus the code in the engine that uses
 * it. It loads nothing (not even zod), so the help of the command line can use it at once.
 */
export const fields = {
  templateId: field({
    about: 'template that the sandbox is a clone of',
    more: '`nova template ls` lists them',
    schema: ({ name }) => name.default('base'),
    alias: 'template',
    rest: 'template',
    option: { flags: '--template <id>' },
  }),
  image: field({
    about: 'OCI image that the sandbox is made of, in place of a template',
    more: `a name in a registry, such as \`python:3.13-slim\`, or on the host itself a path. A template of that image is
      made the first time. See [images](images.md)`,
    schema: ({ z }) => z.string().min(1).max(1000).optional(),
    absent: 'none',
    rest: 'image',
    permission: 'template:build',
    option: { flags: '--image <image-name>' },
  }),
  name: field({
    about: 'name of the sandbox, which works wherever its id does',
    more: 'unique among the sandboxes of its owner',
    schema: ({ name }) => name.optional(),
    absent: 'none',
    rest: 'name',
    option: { flags: '--name <name>' },
  }),
  vcpus: field({
    about: 'virtual CPUs of the guest',
    schema: ({ z, limits }) => z.int().min(1).max(limits.maxVcpus).optional(),
    absent: "the template's",
    rest: 'vcpus',
    option: { flags: '--vcpus <count>' },
  }),
  memoryMb: field({
    about: 'memory of the guest',
    unit: 'MiB',
    schema: ({ z, limits }) => z.int().min(limits.minMemoryMb).max(limits.maxMemoryMb).optional(),
    absent: "the template's",
    rest: 'memory_mb',
    option: { flags: '--memory <size>' },
  }),
  diskSizeMb: field({
    about: 'size of the writable disk',
    unit: 'MiB',
    schema: ({ z, limits }) => z.int().min(limits.minDiskMb).max(limits.maxDiskMb).optional(),
    absent: "the template's",
    rest: 'disk_mb',
    option: { flags: '--disk <size>' },
  }),
  maxProcesses: field({
    about: 'most processes and threads that the guest may hold at once',
    schema: ({ z }) => z.int().min(16).max(1_000_000).default(4096),
    rest: 'max_processes',
    option: { flags: '--max-processes <count>' },
  }),
  env: field({
    about: 'environment variables of every command',
    schema: ({ environment }) => environment.default({}),
    rest: 'environment',
    python: 'env',
    option: { flags: '-e, --env <NAME=value>', note: 'NAME alone passes yours on; may be repeated' },
  }),
  user: field({
    about: 'user that commands run as',
    schema: ({ z }) => z.string().min(1).max(64).optional(),
    absent: "the template's",
    rest: 'user',
    option: { flags: '-u, --user <user>' },
  }),
  labels: field({
    about: 'labels, by which sandboxes can be listed',
    more: 'names that begin with `novasandbox.` are reserved',
    schema: ({ labels }) => labels.default({}),
    rest: 'metadata',
    option: { flags: '--label <key=value>', note: 'may be repeated' },
  }),
  timeoutMs: field({
    about: 'time that the sandbox lives (0: no limit)',
    more: `the guest powers itself off then, whoever is still there. One that does not is ended some ten seconds later
      by the daemon, or by any process that has an engine open`,
    unit: 'ms',
    schema: ({ z }) =>
      z
        .int()
        .min(0)
        .max(30 * 86_400_000)
        .default(0),
    rest: 'timeout_seconds',
    wire: {
      codec: 'seconds',
      schema: ({ z }) =>
        z
          .number()
          .min(0)
          .max(30 * 86_400)
          .optional(),
    },
    daemonDefault: "the daemon's, five minutes unless it is configured otherwise",
    python: 'timeout',
    option: { flags: '--ttl <time>' },
  }),
  onTimeout: field({
    about: 'what happens when the time to live ends: stop, pause, hibernate or hibernate-disk',
    more: `the daemon, or any process that has an engine open, does the others than \`stop\`; until then the guest runs on.
      The daemon does the same with a sandbox that was idle for too long. See [hibernation](hibernation.md)`,
    schema: ({ onTimeout }) => onTimeout.default('stop'),
    rest: 'on_timeout',
    needs: [
      { when: 'pause', oneOf: ['pause'], to: 'pause' },
      { when: 'hibernate', oneOf: ['liveSnapshot'], to: 'write the memory of a running sandbox to the disk' },
      { when: 'hibernate-disk', oneOf: ['virtualMachine'], to: 'run a virtual machine' },
    ],
    option: { flags: '--on-timeout <what>' },
  }),
  autoResume: field({
    about: 'waking of the sandbox by the next command, file or port request when it is paused or hibernated',
    more: 'not when it was hibernated with its disk alone',
    schema: ({ z }) => z.boolean().default(false),
    rest: 'auto_resume',
    permission: 'vm:start',
    option: { flags: '--auto-resume' },
  }),
  ephemeral: field({
    about: 'removal of the sandbox as soon as it stops',
    schema: ({ z }) => z.boolean().default(false),
    rest: 'ephemeral',
    option: { because: '`nova run` removes its sandbox unless told to leave it, and `nova create` has --rm.' },
  }),
  enableNetwork: field({
    about: 'a network, outbound by NAT; without it the guest has no network interface',
    more: 'see [what it reaches](networking.md)',
    schema: ({ z }) => z.boolean().default(true),
    rest: 'network',
    option: { flags: '--no-network', about: 'no network at all' },
  }),
  policy: field({
    about: 'network policy, which says what the guest may reach: none, all, the name of a policy, or a policy itself',
    more: `\`all\` leaves out private networks. A policy other than \`all\` needs a network slot. It can be changed while
      the sandbox runs. A daemon may have another default. See [policies](policy.md)`,
    schema: ({ policy }) => policy.optional(),
    absent: 'all',
    rest: 'policy',
    option: { flags: '--net <policy>', note: 'or a JSON file with a policy' },
  }),
  networks: field({
    about: 'private networks that the sandbox joins, by name',
    more: `it reaches the other members, and they it, by address and as \`<sandbox>.<network>\`. This needs a network slot.
      See [private networks](networks.md)`,
    schema: ({ networks }) => networks.default([]),
    rest: 'networks',
    option: { flags: '--network <network>', note: 'may be repeated' },
  }),
  secrets: field({
    about: 'secrets that the guest uses without having them',
    more: `it has placeholders, which become the values in requests over HTTPS to the hosts of each secret. See
      [secrets](secrets.md)`,
    schema: ({ secrets }) => secrets.optional(),
    absent: 'none',
    rest: 'secrets',
    option: { because: 'Values are not for command lines: --secret names where they are.' },
  }),
  hostPort: field({
    about: 'port of 127.0.0.1 on the host that leads to a port of the guest',
    schema: ({ z }) => z.int().min(1).max(65_535).optional(),
    absent: 'none',
    rest: 'host_port',
    permission: 'network:write',
    needs: { oneOf: ['userNetwork', 'tapNetwork'], to: 'forward ports of the host' },
    option: { flags: '-p, --port <host:guest>' },
  }),
  guestPort: field({
    about: 'port of the guest that the port of the host leads to',
    schema: ({ z }) => z.int().min(1).max(65_535).default(8080),
    rest: 'guest_port',
    option: { because: '--port names both ports.' },
  }),
  rateLimits: field({
    about: 'most that the disk, and the network in each direction, may do in a second',
    more: '`disk` and `network`, each `{ bytesPerSecond, operationsPerSecond }`; operations are requests or packets',
    schema: ({ rateLimits }) => rateLimits.default({}),
    rest: 'rate_limits',
    wire: { codec: 'rates', schema: ({ wireRateLimits }) => wireRateLimits.default({}) },
    needs: { oneOf: ['rateLimits'], to: 'limit rates' },
    option: {
      flags: '--rate-limit <device=rate>',
      note: 'disk=20m, network=500ops, or bytes and operations with a comma between; may be repeated',
    },
  }),
  readOnlyRootfs: field({
    about: 'a read-only root file system; /tmp and /run stay writable, in memory',
    schema: ({ z }) => z.boolean().default(false),
    rest: 'read_only_rootfs',
    option: { flags: '--read-only' },
  }),
  rootfsPath: field({
    about: `an ext4, erofs or squashfs image as root file system; ${restarts}`,
    schema: ({ path }) => path.optional(),
    absent: 'none',
    hostAlone: ofHost,
    rest: null,
    option: { flags: '--rootfs <image>' },
  }),
  extraDrives: field({
    about: `more disk images, each mounted at a path; ${restarts}`,
    more: 'each `{ path, mountPath, fsType?, readOnly? }`',
    schema: ({ drives }) => drives.default([]),
    hostAlone: ofHost,
    rest: null,
    option: { flags: '--drive <image:path>', note: ':rw, :erofs or :squashfs may follow; may be repeated' },
  }),
  volumes: field({
    about: 'volumes, each mounted at a path',
    more: `each \`{ name, path, readOnly? }\`. One sandbox may have a volume to write to it, or several to read it: see
      [volumes](volumes.md)`,
    schema: ({ volumes }) => volumes.default([]),
    rest: 'volumes',
    wire: { codec: 'volumes', schema: ({ wireVolumes }) => wireVolumes.default([]) },
    permission: 'volume:write',
    option: { because: '--volume takes names of volumes, besides folders, files and images of the host.' },
  }),
  firmwarePath: field({
    about: 'firmware that boots the image of the root file system with the boot loader and kernel on it',
    more: `such as CLOUDHV.fd of [Cloud Hypervisor](hypervisors.md). The guest has to run an agent on vsock port 1024;
      the template's kernel, root and warm-up play no part`,
    schema: ({ path }) => path.optional(),
    absent: 'none',
    hostAlone: ofHost,
    rest: null,
    needs: { oneOf: ['firmwareBoot'], to: 'boot firmware' },
    option: { flags: '--firmware <image>' },
  }),
  kernelArgs: field({
    about: `words to add to the kernel command line; ${restarts}`,
    schema: ({ z }) =>
      z
        .string()
        .max(1024)
        .regex(/^[\x20-\x7e]*$/, 'must be printable ASCII')
        .optional(),
    absent: 'none',
    hostAlone: { because: 'They can take away what guards the kernel of the guest.' },
    rest: null,
    option: { flags: '--kernel-args <words>' },
  }),
  hyperv: field({
    about: `Hyper-V's interfaces, which Windows expects, for the guest; ${restarts}`,
    schema: ({ z }) => z.boolean().default(false),
    rest: 'hyperv',
    needs: { oneOf: ['hyperv'], to: "offer Hyper-V's interfaces to guests" },
    option: { flags: '--hyperv' },
  }),
  bootTimeoutMs: field({
    about: 'time that the start may take',
    unit: 'ms',
    schema: ({ z }) => z.int().min(100).max(600_000).default(60_000),
    rest: 'boot_timeout_seconds',
    wire: { codec: 'seconds', schema: ({ z }) => z.number().min(0.1).max(600).default(60) },
    python: 'boot_timeout',
    option: { flags: '--boot-timeout <time>' },
  }),
  hypervisor: field({
    about: 'hypervisor to use; auto is the best that works and can do what is asked',
    schema: ({ hypervisor }) => hypervisor.default('auto'),
    rest: 'hypervisor',
    option: { flags: '--hypervisor <name>' },
  }),
  architecture: field({
    about: 'processor of the guest, amd64 or arm64; another than the one of the host is emulated',
    schema: ({ architecture }) => architecture.optional(),
    absent: "the host's",
    rest: 'architecture',
    needs: { oneOf: ['foreignArchitectures'], to: "run guests for another processor than the host's" },
    option: { flags: '--arch <name>' },
  }),
};
