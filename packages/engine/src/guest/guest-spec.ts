import type { SandboxConfig } from '@novasandbox/protocol';
import { together } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import type { GuestKernel, Initramfs, RootImage } from '../ports/image-source.ts';
import { hostKernelArguments } from '../vmm/host-kernel-arguments.ts';
import type { Drive, MachineSpec, NetworkSpec } from '../ports/vmm-driver.ts';
import { deviceName, placeVolumes } from './place-volumes.ts';

/** How many processes of the host may talk to one sandbox at once, where each needs a channel of its own. */
export const channelCount = 8;

/**
 * Kernel parameters that switch off functions that a guest does not need (Linux,
 * Documentation/admin-guide/kernel-parameters.txt). A guest belongs to one tenant, whose user may become root.
 * Protecting its users from each other, or watching over long uptimes, is not worth its cost in every system call,
 * least of all under emulation.
 */
const leanKernel = [
  // Agents confine their own commands with Landlock. AppArmor and TOMOYO would check every exec and open.
  'lsm=landlock,yama',
  'audit=0',
  'psi=0',
  'nowatchdog',
  'cgroup.memory=nokmem',
  'init_on_alloc=0',
  'randomize_kstack_offset=off',
  'hardened_usercopy=off',
];

/** The images that a guest is booted from. */
export interface GuestImages {
  readonly kernel: GuestKernel;
  readonly initramfs: Initramfs;
  readonly root: RootImage;
}

export interface GuestSpecInput {
  readonly id: string;
  readonly sequence: number;
  readonly directory: string;
  readonly socketDirectory: string;
  readonly config: Pick<
    SandboxConfig,
    | 'readOnlyRootfs'
    | 'kernelArgs'
    | 'extraDrives'
    | 'volumes'
    | 'rootfsPath'
    | 'firmwarePath'
    | 'hyperv'
    | 'rateLimits'
  >;
  readonly network: NetworkSpec;
  readonly memoryMb: number;
  readonly vcpus: number;
  readonly writableDisk: string;
  /** The images of its volumes, in the order of `placeVolumes`. */
  readonly volumeDisks: readonly string[];
}

/** Translates a config into a machine: its drives, its kernel command line (guest/BOOT.md) and its network. */
export function guestSpec(images: GuestImages, input: GuestSpecInput): MachineSpec {
  const { config, network } = input;
  const common = {
    id: input.id,
    sequence: input.sequence,
    directory: input.directory,
    socketDirectory: input.socketDirectory,
    architecture: images.kernel.architecture,
    memoryMb: input.memoryMb,
    vcpus: input.vcpus,
    hyperv: config.hyperv,
    network: network.mode === 'tap' ? { ...network, rateLimit: config.rateLimits.network } : network,
    channels: channelCount,
  };
  if (config.firmwarePath !== undefined && config.rootfsPath !== undefined) {
    const disk = { path: config.rootfsPath, readOnly: config.readOnlyRootfs, foreign: true };
    const drives = [{ ...disk, rateLimit: config.rateLimits.disk }];
    return { ...common, kernel: '', initramfs: '', firmware: config.firmwarePath, kernelArguments: [], drives };
  }
  const drives: Drive[] = [
    { path: config.rootfsPath ?? images.root.path, readOnly: true, foreign: config.rootfsPath !== undefined },
  ];
  const words = [...leanKernel, ...hostKernelArguments(), 'nova.root=vda'];
  if (config.readOnlyRootfs) {
    words.push('nova.write=none');
  } else {
    drives.push({ path: input.writableDisk, readOnly: false, foreign: false, rateLimit: config.rateLimits.disk });
    words.push('nova.write=vdb');
  }
  for (const drive of config.extraDrives) {
    const device = deviceName(drives.length);
    drives.push({ path: drive.path, readOnly: drive.readOnly, foreign: true });
    words.push(`nova.drive=${device}:${drive.mountPath}:${drive.fsType}:${drive.readOnly ? 'ro' : 'rw'}`);
  }
  placeVolumes(config).forEach(({ device, readOnly }, index) => {
    drives.push({ path: input.volumeDisks[index] ?? '', readOnly, foreign: false });
    words.push(`nova.volume=${device}`);
  });
  if (config.kernelArgs !== undefined) words.push(config.kernelArgs);
  return {
    ...common,
    kernel: images.kernel.path,
    initramfs: images.initramfs.path,
    kernelArguments: words,
    drives,
  };
}

/** Returns all images that a guest of the template is booted from, and makes missing ones. */
export async function guestImages(
  context: EngineContext,
  template: Parameters<EngineContext['images']['kernel']>[0],
  options: Parameters<EngineContext['images']['kernel']>[1],
): Promise<GuestImages> {
  const [boot, root] = await together(options.signal, [
    (signal) => context.images.boot(template, { ...options, signal }),
    (signal) => context.images.rootImage(template, { ...options, signal }),
  ]);
  return { ...boot, root };
}
