import type { ArchitectureName, HypervisorName } from '@novasandbox/protocol';
import {
  binaryVariables,
  createAppleVzDriver,
  createCloudHypervisorDriver,
  createFirecrackerDriver,
  createImageSource,
  createLauncher,
  createProcessDriver,
  createQemuDriver,
  hostArchitecture,
  hostKernelArguments,
  loadTemplate,
  openVmmUsers,
  type AppleVzOptions,
  type CloudHypervisorOptions,
  type FirecrackerOptions,
  type ImageOptions,
  type Layout,
  type MachineSpec,
  type VmmDriver,
} from '@novasandbox/engine';
import { standInFiles } from './stand-in.ts';

export interface DriverWithGuest {
  readonly driver: VmmDriver;
  readonly guest: Pick<MachineSpec, 'architecture' | 'kernel' | 'initramfs' | 'kernelArguments'>;
}

/** A driver as the engine puts it together, with the smallest guest there is: the agent in its initramfs, no disks. */
export async function driversOf(
  layout: Layout,
  name: HypervisorName,
  {
    standIn = false,
    jailed = false,
    architecture = hostArchitecture().name,
  }: { readonly standIn?: boolean; readonly jailed?: boolean; readonly architecture?: ArchitectureName } = {},
): Promise<DriverWithGuest> {
  const images = createImageSource(layout);
  // Ends with the test's process.
  const launcher = createLauncher();
  if (name === 'process') {
    return {
      driver: createProcessDriver({ launcher, agentBinary: async (signal) => (await images.agent({ signal })).path }),
      guest: { architecture, kernel: '', initramfs: '', kernelArguments: [] },
    };
  }
  const kernel = await images.kernel(await loadTemplate(layout, 'base', architecture), {});
  const initramfs = await images.initramfs(kernel, {});
  const guest = {
    architecture,
    kernel: kernel.path,
    initramfs: initramfs.path,
    kernelArguments: hostKernelArguments(),
  };
  const options = {
    launcher,
    users: openVmmUsers(layout),
    confiner: (asked: ImageOptions) => images.confiner(asked),
    probeDirectory: layout.probeDirectory,
    vmmDirectory: layout.vmmDirectory,
    probeGuest: () => Promise.resolve(guest),
    // What stands for a VMM needs no KVM, and is a script that could not be found in a jail.
    ...(standIn
      ? { whyNoKvm: () => null, whyNotHere: () => null, jailed, alsoVisible: standInFiles(standInOf(name)) }
      : {}),
  };
  const make = vmmDrivers[name];
  if (make === undefined) throw new Error(`no driver for ${name}`);
  return { driver: make(options), guest };
}

/** Where the program that stands for a VMM is, as it is named to the driver. */
function standInOf(name: HypervisorName): string {
  const program = name === 'apple-vz' ? 'vfkit' : name;
  return process.env[binaryVariables[program as keyof typeof binaryVariables]] ?? '';
}

const vmmDrivers: Partial<
  Record<HypervisorName, (options: AppleVzOptions & CloudHypervisorOptions & FirecrackerOptions) => VmmDriver>
> = {
  'apple-vz': createAppleVzDriver,
  'cloud-hypervisor': createCloudHypervisorDriver,
  firecracker: createFirecrackerDriver,
  qemu: createQemuDriver,
};
