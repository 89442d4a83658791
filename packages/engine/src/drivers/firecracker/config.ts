import { NovaError } from '@novasandbox/protocol';
import { socketPath } from '../../layout.ts';
import type { MachineSpec, RateLimit } from '../../ports/vmm-driver.ts';
import { agentPort } from '../../vmm/vsock-channel.ts';
import type { ApiRequest } from './api.ts';

export const vsockSocket = 'vsock';

/** Names of files in the machine's folder. A snapshot holds them, so they are the same for every machine. */
export const kernelFile = 'kernel';
export const initramfsFile = 'initramfs';
export const memoryFile = 'ram';
export const stateFile = 'state';
export const driveFile = (index: number): string => `drive${index}`;

/**
 * The first CID that a guest may have (0 to 2 are taken by the hypervisor, loopback and the host). All guests can have
 * the same, because each machine has a socket of its own.
 */
const guestCid = 3;
const networkId = 'net0';

/**
 * A guest may write `consoleBytes` to its console, and then `consoleBytesPerDay` each day; the rest is dropped. Unlike
 * other VMMs, Firecracker ends when a log is full, so this must not happen for years (vmm/logs.ts).
 */
const consoleBytes = 2 << 20;
const consoleBytesPerDay = 1 << 10;
const dayMs = 86_400_000;

/**
 * `reboot=k` and `panic=-1`: a guest that ends pulls the reset line of the keyboard controller, which ends Firecracker.
 * The words for i8042 and 8250 keep it from probing devices that do not exist.
 */
const ownWords = [
  'console=ttyS0',
  'reboot=k',
  'panic=-1',
  'quiet',
  'loglevel=5',
  'random.trust_cpu=on',
  'mitigations=off',
  '8250.nr_uarts=1',
  'i8042.noaux',
  'i8042.nomux',
  'i8042.dumbkbd',
  'swiotlb=noforce',
  `nova.channel=vsock:${agentPort}`,
];

export const commandLine = (words: readonly string[]): string => [...ownWords, ...words].join(' ');

/** Refuses a spec that Firecracker does not support. */
export function checkSpec(spec: MachineSpec): void {
  const unsupported = (what: string): NovaError => new NovaError('feature_unsupported', `Firecracker ${what}.`);
  if (spec.network.mode === 'user' || spec.network.mode === 'nat') throw unsupported('has no user-mode network');
  if (spec.firmware !== undefined) throw unsupported('boots no firmware');
  if (spec.hyperv === true) throw unsupported("does not offer Hyper-V's interfaces");
}

/** The requests that are needed before the guest may start. Their order does not matter. */
export function bootRequests(spec: MachineSpec): ApiRequest[] {
  return [
    ...hostRequests(),
    put('/machine-config', { vcpu_count: spec.vcpus, mem_size_mib: spec.memoryMb, smt: false }),
    put('/boot-source', {
      kernel_image_path: kernelFile,
      initrd_path: initramfsFile,
      boot_args: commandLine(spec.kernelArguments),
    }),
    ...spec.drives.map((drive, index) =>
      put(`/drives/${driveFile(index)}`, {
        drive_id: driveFile(index),
        path_on_host: driveFile(index),
        is_root_device: false,
        is_read_only: drive.readOnly,
        // Data that the guest flushes has to reach the disk of the host.
        cache_type: drive.readOnly ? 'Unsafe' : 'Writeback',
        ...(drive.rateLimit === undefined ? {} : { rate_limiter: rateLimiter(drive.rateLimit) }),
      }),
    ),
    ...(spec.network.mode === 'tap'
      ? [
          put(`/network-interfaces/${networkId}`, {
            iface_id: networkId,
            host_dev_name: spec.network.tap,
            guest_mac: spec.network.mac,
            ...networkLimits(spec.network.rateLimit),
          }),
        ]
      : []),
    put('/vsock', { guest_cid: guestCid, uds_path: socketPath(spec.socketDirectory, vsockSocket) }),
    put('/entropy', {}),
    put('/balloon', { amount_mib: 0, deflate_on_oom: true }),
  ];
}

export const startRequest = put('/actions', { action_type: 'InstanceStart' });
export const pauseRequest = patch('/vm', { state: 'Paused' });
export const resumeRequest = patch('/vm', { state: 'Resumed' });

/**
 * The requests that continue a snapshot. They leave the clock to the agent, which gets the time anyway: moving
 * kvm-clock ahead would make every timer of the guest expire at once. Rate limits are the clone's own, so it may run
 * only once they are set.
 */
export function restoreRequests(spec: MachineSpec): ApiRequest[] {
  const limits = limitRequests(spec);
  return [
    ...hostRequests(),
    put('/snapshot/load', {
      snapshot_path: stateFile,
      mem_backend: { backend_type: 'File', backend_path: memoryFile },
      vsock_override: { uds_path: socketPath(spec.socketDirectory, vsockSocket) },
      ...(spec.network.mode === 'tap'
        ? { network_overrides: [{ iface_id: networkId, host_dev_name: spec.network.tap }] }
        : {}),
      resume_vm: limits.length === 0,
    }),
    ...(limits.length === 0 ? [] : [...limits, resumeRequest]),
  ];
}

/** Requests about this process, which are not part of a snapshot. */
function hostRequests(): ApiRequest[] {
  return [
    put('/serial', {
      rate_limiter: { size: consoleBytesPerDay, refill_time: dayMs, one_time_burst: consoleBytes },
    }),
  ];
}

function limitRequests(spec: MachineSpec): ApiRequest[] {
  const drives = spec.drives.flatMap(({ rateLimit }, index) =>
    rateLimit === undefined
      ? []
      : [patch(`/drives/${driveFile(index)}`, { drive_id: driveFile(index), rate_limiter: rateLimiter(rateLimit) })],
  );
  const network =
    spec.network.mode === 'tap' && spec.network.rateLimit !== undefined
      ? [
          patch(`/network-interfaces/${networkId}`, {
            iface_id: networkId,
            ...networkLimits(spec.network.rateLimit),
          }),
        ]
      : [];
  return [...drives, ...network];
}

/** Asks for a snapshot into a folder that the VMM sees. */
export const snapshotRequest = (folder: string, kind: 'full' | 'diff'): ApiRequest =>
  put('/snapshot/create', {
    snapshot_type: kind === 'full' ? 'Full' : 'Diff',
    snapshot_path: `${folder}/${stateFile}`,
    mem_file_path: `${folder}/${memoryFile}`,
  });

/** Has Firecracker look at the file of a drive again. It tells the guest the size that the file has now. */
export const driveRequest = (index: number): ApiRequest =>
  patch(`/drives/${driveFile(index)}`, { drive_id: driveFile(index), path_on_host: driveFile(index) });

export const balloonRequest = (reclaimMb: number): ApiRequest => patch('/balloon', { amount_mib: reclaimMb });

/** A bucket holds the amount of one second, so that no burst is longer than that. */
function rateLimiter({ bytesPerSecond, operationsPerSecond }: RateLimit): unknown {
  const bucket = (size: number): unknown => ({ size, refill_time: 1000 });
  return {
    ...(bytesPerSecond === undefined ? {} : { bandwidth: bucket(bytesPerSecond) }),
    ...(operationsPerSecond === undefined ? {} : { ops: bucket(operationsPerSecond) }),
  };
}

/** The limit holds for each direction on its own. */
function networkLimits(limit: RateLimit | undefined): Record<string, unknown> {
  return limit === undefined ? {} : { rx_rate_limiter: rateLimiter(limit), tx_rate_limiter: rateLimiter(limit) };
}

function put(path: string, body: unknown): ApiRequest {
  return { method: 'PUT', path, body };
}

function patch(path: string, body: unknown): ApiRequest {
  return { method: 'PATCH', path, body };
}
