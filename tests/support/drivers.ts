import { pathToFileURL } from 'node:url';
import type { ArchitectureName, OwnHypervisor } from '@novasandbox/protocol';
import {
  createImageSource,
  createLauncher,
  drivers,
  hostArchitecture,
  hostKernelArguments,
  loadTemplate,
  openVmmUsers,
  type CreateDriver,
  type DriverOptions,
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

/** A driver as the engine assembles it, with the smallest possible guest: the agent in its initramfs, no disks. */
export async function driversOf(
  layout: Layout,
  name: OwnHypervisor,
  {
    standIn = false,
    jailed = false,
    architecture = hostArchitecture().name,
  }: { readonly standIn?: boolean; readonly jailed?: boolean; readonly architecture?: ArchitectureName } = {},
): Promise<DriverWithGuest> {
  const images = createImageSource(layout);
  const { create, vmm } = drivers[name];
  const guest = vmm === null ? noGuest(architecture) : await smallestGuest(layout, architecture);
  const options: DriverOptions = {
    // It ends with the test's process.
    launcher: createLauncher(),
    users: openVmmUsers(layout),
    confiner: (asked: ImageOptions) => images.confiner(asked),
    probeDirectory: layout.probeDirectory,
    vmmDirectory: layout.vmmDirectory,
    probeGuest: () => Promise.resolve(guest),
    agentBinary: async (signal) => (await images.agent({ signal })).path,
  };
  if (!standIn) return { driver: create(options), guest };
  // A stand-in needs no KVM, and it is a script whose interpreter could not be found in a jail.
  const [program] = vmm?.programs ?? [];
  const path = process.env[program?.variable ?? ''] ?? '';
  return { driver: create({ ...options, whyNotHere: () => null, jailed, alsoVisible: standInFiles(path) }), guest };
}

/** The driver that a module's default export makes, with a substitute for its guest. */
export async function driverFromModule(layout: Layout, path: string): Promise<DriverWithGuest> {
  const { default: create } = (await import(pathToFileURL(path).href)) as { readonly default: CreateDriver };
  const guest = noGuest(hostArchitecture().name);
  const driver = create({
    probeDirectory: layout.probeDirectory,
    probeGuest: () => Promise.resolve(guest),
    agentBinary: async (signal) => (await createImageSource(layout).agent({ signal })).path,
  });
  return { driver, guest };
}

const noGuest = (architecture: ArchitectureName): DriverWithGuest['guest'] => ({
  architecture,
  kernel: '',
  initramfs: '',
  kernelArguments: [],
});

async function smallestGuest(layout: Layout, architecture: ArchitectureName): Promise<DriverWithGuest['guest']> {
  const images = createImageSource(layout);
  const kernel = await images.kernel(await loadTemplate(layout, 'base', architecture), {});
  const initramfs = await images.initramfs(kernel, {});
  return { architecture, kernel: kernel.path, initramfs: initramfs.path, kernelArguments: hostKernelArguments() };
}
