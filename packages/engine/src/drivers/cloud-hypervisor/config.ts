import { existsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { limits, NovaError } from '@novasandbox/protocol';
import { hostArchitecture } from '../../architecture.ts';
import { socketPath } from '../../layout.ts';
import type { Drive, MachineSpec, RateLimit, TapNetwork } from '../../ports/vmm-driver.ts';
import { userfaultfdDevice } from '../../vmm/userfaultfd.ts';
import { tunDevice } from '../../vmm/visible-files.ts';
import { agentPort } from '../../vmm/vsock-channel.ts';
import type { DiskConfig, NetConfig, VmConfig } from './api.ts';

export const vsockSocket = 'vsock';
/** CID of every guest: each VMM has a vsock of its own. 0 to 2 are reserved (vsock(7)). */
const guestCid = 3;

const mebibyte = 1024 * 1024;
/** ACPI adds memory in pieces of this size, and begins a piece at a multiple of it. */
export const memoryStepMb = 128;
/** Maximum number of vCPUs, which leaves room for `resize`. Each possible vCPU costs the guest some 200 kB. */
const vcpuRoom = (vcpus: number): number => Math.max(vcpus * 4, 8);

/**
 * Path of the kernel in the machine's folder: a link that exists only during the boot. Cloud Hypervisor reboots a guest
 * that resets itself, in place. Without a kernel it ends instead, and the sandbox is seen to have ended.
 */
export const kernelLink = (spec: Pick<MachineSpec, 'directory'>): string => join(spec.directory, 'kernel');

export const driveId = (index: number): string => `drive${index}`;

/** The config for booting a spec. `landlock`: the VMM confines itself to its own files. */
export function vmConfig(spec: MachineSpec, landlock: boolean): VmConfig {
  const hotplugMb = memoryRoomMb(spec.memoryMb);
  return {
    payload:
      spec.firmware === undefined
        ? { kernel: kernelLink(spec), initramfs: spec.initramfs, cmdline: commandLine(spec) }
        : { firmware: spec.firmware },
    cpus: {
      boot_vcpus: spec.vcpus,
      max_vcpus: Math.max(spec.vcpus, Math.min(availableParallelism(), vcpuRoom(spec.vcpus), limits.maxVcpus)),
      kvm_hyperv: spec.hyperv === true,
      nested: false,
    },
    memory: {
      size: spec.memoryMb * mebibyte,
      shared: false,
      ...(hotplugMb === 0 ? {} : { hotplug_size: hotplugMb * mebibyte }),
    },
    disks: spec.drives.map((drive, index) => diskConfig(driveId(index), drive)),
    ...netConfig(spec),
    vsock: { id: 'vsock0', cid: guestCid, socket: socketPath(spec.socketDirectory, vsockSocket) },
    rng: { src: '/dev/urandom' },
    balloon: { id: 'balloon0', size: 0, deflate_on_oom: true, free_page_reporting: true },
    // The console goes to the VMM's standard output, which is the log opened for appending, so that it can be cut short
    // while it is written.
    serial: { mode: 'Tty' },
    console: { mode: 'Off' },
    landlock_enable: landlock,
    ...(landlock ? { landlock_rules: landlockRules(spec) } : {}),
  };
}

/**
 * Adapts a snapshot's config for a clone, which gets its own files, sockets, tap and limits. Everything that the device
 * state depends on stays.
 */
export function cloneConfig(made: VmConfig, spec: MachineSpec, landlock: boolean): VmConfig {
  const disks = made.disks ?? [];
  const net = made.net ?? [];
  const wanted = netConfig(spec).net ?? [];
  if (disks.length !== spec.drives.length || net.length !== wanted.length)
    throw new NovaError('snapshot_failed', 'The snapshot was made of a machine with other devices.');
  const { payload, landlock_rules: _, ...rest } = made;
  return {
    ...rest,
    payload: typeof payload.firmware !== 'string' ? { kernel: kernelLink(spec) } : payload,
    disks: disks.map((disk, index) => {
      const drive = spec.drives[index];
      return drive === undefined ? disk : { ...disk, rate_limiter_config: undefined, ...diskConfig(disk.id, drive) };
    }),
    net: net.map((each, index) => ({ ...each, rate_limiter_config: undefined, ...wanted[index] })),
    vsock: { ...made.vsock, socket: socketPath(spec.socketDirectory, vsockSocket) },
    landlock_enable: landlock,
    ...(landlock ? { landlock_rules: landlockRules(spec) } : {}),
  };
}

export function diskConfig(id: string, drive: Drive): DiskConfig {
  return {
    id,
    path: drive.path,
    readonly: drive.readOnly,
    image_type: 'Raw',
    ...rateLimiter(drive.rateLimit),
  };
}

function netConfig(spec: MachineSpec): Pick<VmConfig, 'net'> {
  const { network } = spec;
  if (network.mode === 'none') return {};
  if (network.mode !== 'tap')
    throw new NovaError('feature_unsupported', 'Cloud Hypervisor has no user-mode network: it needs a tap.');
  return { net: [tapConfig('net0', network)] };
}

export function tapConfig(id: string, { tap, mac, rateLimit }: TapNetwork): NetConfig {
  return { id, tap, mac, ...rateLimiter(rateLimit) };
}

/** A bucket holds the amount of one second and is refilled every second. */
function rateLimiter(limit: RateLimit | undefined): Pick<DiskConfig, 'rate_limiter_config'> {
  const { bytesPerSecond, operationsPerSecond } = limit ?? {};
  if (bytesPerSecond === undefined && operationsPerSecond === undefined) return {};
  const bucket = (size: number) => ({ size, refill_time: 1000 });
  return {
    rate_limiter_config: {
      ...(bytesPerSecond === undefined ? {} : { bandwidth: bucket(bytesPerSecond) }),
      ...(operationsPerSecond === undefined ? {} : { ops: bucket(operationsPerSecond) }),
    },
  };
}

/**
 * Files beyond the VMM's own rules, which include kernel, drives and sockets. Snapshots and drives added later are put
 * into the machine's folder; the devices serve to add a network and to fetch memory on demand.
 */
function landlockRules(spec: MachineSpec) {
  return [spec.directory, ...[tunDevice, userfaultfdDevice].filter((path) => existsSync(path))].map((path) => ({
    path,
    access: 'rw',
  }));
}

/**
 * Memory that can be added while the guest runs, MiB: up to the host's memory, plus a step, because added memory begins
 * at a multiple of a step.
 */
export function memoryRoomMb(memoryMb: number): number {
  const hostMb = Math.floor(totalmem() / mebibyte);
  return memoryMb >= hostMb ? 0 : (Math.ceil((hostMb - memoryMb) / memoryStepMb) + 1) * memoryStepMb;
}

function commandLine(spec: MachineSpec): string {
  return [
    ...hostArchitecture().kernelArguments,
    'panic=-1',
    'quiet',
    'loglevel=5',
    'random.trust_cpu=on',
    'mitigations=off',
    // The guest uses memory that is added later at once.
    'memhp_default_state=online',
    `nova.channel=vsock:${agentPort}`,
    ...spec.kernelArguments,
  ].join(' ');
}
