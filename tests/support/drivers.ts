import {
  createImageSource,
  createProcessDriver,
  createQemuDriver,
  loadTemplate,
  type Layout,
  type MachineSpec,
  type VmmDriver,
} from '@novasandbox/engine';

export interface DriverWithGuest {
  readonly driver: VmmDriver;
  readonly guest: Pick<MachineSpec, 'kernel' | 'initramfs' | 'kernelArguments'>;
}

/** A driver as the engine puts it together, with the smallest guest there is: the agent in its initramfs, no disks. */
export async function driversOf(layout: Layout, name: 'qemu' | 'process'): Promise<DriverWithGuest> {
  const images = createImageSource(layout);
  if (name === 'process') {
    return {
      driver: createProcessDriver({ agentBinary: async (signal) => (await images.agent({ signal })).path }),
      guest: { kernel: '', initramfs: '', kernelArguments: [] },
    };
  }
  const kernel = await images.kernel(await loadTemplate(layout, 'base'), {});
  const initramfs = await images.initramfs(kernel, {});
  const guest = { kernel: kernel.path, initramfs: initramfs.path, kernelArguments: [] };
  return {
    driver: createQemuDriver({
      probeDirectory: layout.probeDirectory,
      vmmDirectory: layout.vmmDirectory,
      probeGuest: () => Promise.resolve(guest),
    }),
    guest,
  };
}
