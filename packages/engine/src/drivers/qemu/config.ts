import { readFileSync } from 'node:fs';
import { arch } from 'node:os';
import { architectures, type Architecture } from '../../architecture.ts';
import { socketPath } from '../../layout.ts';
import type { MachineSpec } from '../../ports/vmm-driver.ts';
import { dialectOf } from './dialect.ts';

/** How QEMU runs guest code on this host. */
export interface Accelerator {
  readonly name: 'kvm' | 'hvf' | 'tcg';
  readonly binary: string;
  /** Of QEMU: decides how it is spoken to (dialect.ts). */
  readonly version: string;
}

/** Where the guest's memory comes from. */
export type MemorySource =
  /** Anonymous: cannot be snapshotted. */
  | { readonly kind: 'plain' }
  /** A file that is the snapshot's memory in the end. */
  | { readonly kind: 'template'; readonly file: string }
  /** A snapshot's file mapped privately: pages are shared until written. The device state comes in on file descriptor 3. */
  | { readonly kind: 'clone'; readonly file: string };

export const qmpSocket = 'qmp';
export const channelSocket = (channel: number): string => `ch${channel}`;
export const stateDescriptor = 3;
/** Descriptors of foreign drives follow, in the order of the drives. */
export const firstDriveDescriptor = 4;

/** Translated code a TCG guest may keep, MiB. 32 thrashes, 64 is enough for every guest measured; more costs memory in each clone. */
const tcgCacheMb = 64;

/** Locally administered; the same in every guest, so that clones of a snapshot keep a working network. */
const macAddress = '02:6e:6f:76:61:01';

/** Clones do not announce themselves: their neighbours are set, and it would be the first thing each of them does. */
const networkDevice = 'virtio-net-device,netdev=net0,guest_announce=off';

/** QEMU's arguments for one machine. */
export function qemuArguments(spec: MachineSpec, accelerator: Accelerator, memory: MemorySource): string[] {
  const at = (name: string): string => escape(socketPath(spec.socketDirectory, name));
  const architecture = architectures[spec.architecture];
  const { qemu } = architecture;
  const dialect = dialectOf(accelerator.version);
  const args: string[] = [
    // Options and their values in pairs.
    '-name',
    `nova-${spec.id}`,
    '-machine',
    memory.kind === 'plain' ? qemu.machine : `${qemu.machine},memory-backend=ram0`,
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
    // The standard output it was started with, which is the log.
    'stdio,id=console,signal=off',
    '-serial',
    'chardev:console',
  ];
  if (memory.kind !== 'plain') {
    const share = memory.kind === 'template' ? 'on' : 'off';
    const more = memory.kind === 'clone' ? dialect.clonedMemory : '';
    args.push(
      '-object',
      `memory-backend-file,id=ram0,size=${spec.memoryMb}M,mem-path=${escape(memory.file)},share=${share}${more}`,
    );
  }
  // Clones too: a snapshot's state has to find the memory that it was taken from.
  if (qemu.firmware !== null) args.push('-bios', qemu.firmware);
  if (memory.kind === 'clone') {
    // The kernel is in the memory that is mapped.
    args.push('-incoming', 'defer', ...dialect.state(stateDescriptor).options);
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

/** A transport for each device: guests then find them in the same place whatever else there is. */
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
    // Opened once, as it will be used: of a foreign drive there is no other descriptor.
    // A full disk of the host has the guest wait until there is space (sandbox/waits-for-space.ts): it would take an error for a broken disk, and use it for reading
    // alone from then on. A guest that is booted to be snapshotted fails at once.
    args.push(
      '-drive',
      `id=drive${index},file=${file},format=raw,if=none,read-only=${readOnly},auto-read-only=off,discard=unmap,werror=${onFullDisk},rerror=report`,
    );
    args.push('-device', `virtio-blk-device,drive=drive${index},${bus()}`);
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

/** The guest's processor. What was snapshotted on one wakes up on no other. */
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
  // Under TCG the guest's counter is the host's, and a microvm without it hangs calibrating it. On a busy host the watchdog would take it for
  // unstable and leave a clock of 4 ms and a tick that never stops.
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
