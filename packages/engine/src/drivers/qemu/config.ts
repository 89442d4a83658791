import { readFileSync } from 'node:fs';
import { arch } from 'node:os';
import { architectures, type Architecture } from '../../architecture.ts';
import { socketPath } from '../../layout.ts';
import type { MachineSpec } from '../../ports/vmm-driver.ts';
import { dialectOf } from './dialect.ts';
import { mainMemory } from './live/migration-stream.ts';

/** How QEMU runs guest code on this host. */
export interface Accelerator {
  readonly name: 'kvm' | 'hvf' | 'tcg';
  readonly binary: string;
  /** The version of QEMU, which decides how it is spoken to (dialect.ts). */
  readonly version: string;
}

/** The source of the guest's memory. */
export type MemorySource =
  /** The memory is anonymous: the machine cannot be snapshotted. */
  | { readonly kind: 'plain' }
  /** The memory is a file, which becomes the snapshot's. */
  | { readonly kind: 'template'; readonly file: string }
  /**
   * A snapshot's file mapped privately: pages are shared until written. `pages`, where there is one, is mapped over it:
   * the pages in which the snapshot's memory differs from that file. The device state comes in on file descriptor 3. A
   * guest with `pages` stays paused until it is told to go on.
   */
  | { readonly kind: 'clone'; readonly file: string; readonly pages?: string | undefined };

export const qmpSocket = 'qmp';
export const driveId = (index: number): string => `drive${index}`;
export const channelSocket = (channel: number): string => `ch${channel}`;
export const stateDescriptor = 3;
/** The first descriptor of foreign drives, which follow in the order of the drives. */
export const firstDriveDescriptor = 4;

/**
 * Translated code a TCG guest may keep, MiB. 32 thrashes, 64 is enough for every guest measured; more costs memory in
 * each clone.
 */
const tcgCacheMb = 64;

/** Locally administered; the same in every guest, so that clones of a snapshot keep a working network. */
const macAddress = '02:6e:6f:76:61:01';

/**
 * Clones do not announce themselves: their neighbours are set, and announcing would be the first work of each clone.
 */
const networkDevice = 'virtio-net-device,netdev=net0,guest_announce=off';

/** QEMU's arguments for one machine. */
export function qemuArguments(spec: MachineSpec, accelerator: Accelerator, memory: MemorySource): string[] {
  const at = (name: string): string => escape(socketPath(spec.socketDirectory, name));
  const architecture = architectures[spec.architecture];
  const { qemu } = architecture;
  const dialect = dialectOf(accelerator.version);
  const args: string[] = [
    // Options and their values come in pairs.
    '-name',
    `nova-${spec.id}`,
    '-machine',
    `${qemu.machine},memory-backend=${mainMemory}`,
    ...qemu.properties.flatMap((property) => ['-global', property]),
    '-accel',
    accelerator.name === 'tcg' ? `tcg,tb-size=${tcgCacheMb}` : accelerator.name,
    '-cpu',
    processor(architecture, accelerator),
    '-smp',
    String(spec.vcpus),
    '-m',
    `${spec.memoryMb}M`,
    '-nodefaults',
    '-no-user-config',
    '-display',
    'none',
    '-no-reboot',
    '-sandbox',
    'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
    '-chardev',
    `socket,id=qmp,path=${at(qmpSocket)},server=on,wait=off`,
    ...dialect.monitor,
    '-chardev',
    // QEMU's standard output, which is the log.
    'stdio,id=console,signal=off',
    '-serial',
    'chardev:console',
  ];
  if (memory.kind === 'plain') {
    args.push('-object', `memory-backend-ram,id=${mainMemory},size=${spec.memoryMb}M`);
  } else {
    const share = memory.kind === 'template' ? 'on' : 'off';
    const more = memory.kind === 'clone' ? dialect.clonedMemory : '';
    args.push(
      '-object',
      `memory-backend-file,id=${mainMemory},size=${spec.memoryMb}M,mem-path=${escape(memory.file)},share=${share}${more}`,
    );
  }
  // Clones need it too: the device state expects the same memory layout.
  if (qemu.firmware !== null) args.push('-bios', qemu.firmware);
  if (memory.kind === 'clone') {
    // The kernel is in the memory that is mapped.
    args.push('-incoming', 'defer', ...dialect.state(stateDescriptor).options);
    if (memory.pages !== undefined) args.push('-S');
  } else {
    args.push(
      '-kernel',
      spec.kernel,
      '-initrd',
      spec.initramfs,
      '-append',
      [...kernelWords(architecture, accelerator), ...spec.kernelArguments].join(' '),
    );
  }
  args.push(...devices(spec, qemu.transports, at, memory.kind === 'template' ? 'report' : 'enospc'));
  return args;
}

/** Each device has its own transport, so that guests find it in the same place whatever other devices there are. */
function devices(
  spec: MachineSpec,
  transports: Architecture['qemu']['transports'],
  at: (name: string) => string,
  onFullDisk: 'report' | 'enospc',
): string[] {
  let next = 0;
  const bus = (): string => `bus=virtio-mmio-bus.${transports[next++]}`;
  const args = ['-device', `virtio-serial-device,id=serial0,max_ports=${spec.channels + 1},${bus()}`];
  for (let channel = 0; channel < spec.channels; channel++) {
    args.push('-chardev', `socket,id=ch${channel},path=${at(channelSocket(channel))},server=on,wait=off`);
    args.push('-device', `virtserialport,bus=serial0.0,nr=${channel + 1},chardev=ch${channel},name=nova.${channel}`);
  }
  let descriptor = firstDriveDescriptor;
  spec.drives.forEach((drive, index) => {
    const readOnly = drive.readOnly ? 'on' : 'off';
    if (drive.foreign) args.push('-add-fd', `fd=${descriptor++},set=${index + 1}`);
    const file = drive.foreign ? `/dev/fdset/${index + 1}` : escape(drive.path);
    // QEMU opens the file once, in the mode that it will use, because a foreign drive has only one descriptor. When the
    // host's disk is full, the guest waits until there is space (sandbox/waits-for-space.ts): it would take an error
    // for a broken disk, and use it read-only from then on. A guest that is booted to be snapshotted fails at once
    // instead.
    args.push(
      '-drive',
      `id=${driveId(index)},file=${file},format=raw,if=none,read-only=${readOnly},auto-read-only=off,discard=unmap,werror=${onFullDisk},rerror=report`,
    );
    args.push('-device', `virtio-blk-device,drive=${driveId(index)},${bus()}`);
  });
  if (spec.network.mode === 'tap') {
    const { tap, mac } = spec.network;
    args.push('-netdev', `tap,id=net0,ifname=${escape(tap)},script=no,downscript=no`);
    args.push('-device', `${networkDevice},mac=${mac},${bus()}`);
  }
  if (spec.network.mode === 'user') {
    const forwards = spec.network.forwards.map((f) => `,hostfwd=tcp:127.0.0.1:${f.hostPort}-:${f.guestPort}`).join('');
    args.push('-netdev', `user,id=net0,ipv6=off${forwards}`);
    args.push('-device', `${networkDevice},mac=${macAddress},${bus()}`);
  }
  return args;
}

/** The guest's processor. A snapshot can be continued only on the processor that it was made on. */
export const processor = ({ qemu }: Architecture, accelerator: Accelerator): string =>
  accelerator.name === 'tcg' ? qemu.emulatedProcessor : 'host';

/** The driver's own words on the guest's command line. A snapshot made with others is another snapshot. */
export function kernelWords(architecture: Architecture, accelerator: Accelerator): string[] {
  const words = [
    ...architecture.kernelArguments,
    'panic=-1',
    'quiet',
    'loglevel=5',
    'random.trust_cpu=on',
    'mitigations=off',
    'nova.channel=serial',
  ];
  const khz = accelerator.name === 'tcg' && architecture.name === 'amd64' ? timestampCounterKhz() : null;
  // Under TCG the guest's counter is the host's, and a microvm that is not told its frequency hangs calibrating it. On
  // a busy host the watchdog would take the counter for unstable, and leave a clock of 4 ms and a tick that never
  // stops.
  if (khz !== null) words.push(`tsc_early_khz=${khz}`, 'tsc=nowatchdog');
  return words;
}

/** The host's time stamp counter in kHz. Linux derives BogoMIPS from it: two for each MHz. */
function timestampCounterKhz(): number | null {
  if (arch() !== 'x64') return null;
  try {
    const found = /^bogomips\s*:\s*([\d.]+)/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1];
    return found === undefined ? null : Math.round(Number(found) * 500);
  } catch {
    return null;
  }
}

/** In QEMU's option lists a comma within a value is doubled. */
function escape(value: string): string {
  return value.replaceAll(',', ',,');
}
