import { toNovaError, type HypervisorName, type NovaError } from '@novasandbox/protocol';
import { openSession } from './agent/index.ts';
import { hostArchitecture } from './architecture.ts';
import { typedErrors } from './boundary.ts';
import type { EngineContext } from './context.ts';
import { createAppleVzDriver } from './drivers/apple-vz/driver.ts';
import { createCloudHypervisorDriver } from './drivers/cloud-hypervisor/driver.ts';
import { createFirecrackerDriver } from './drivers/firecracker/driver.ts';
import { createProcessDriver } from './drivers/process/driver.ts';
import { createQemuDriver } from './drivers/qemu/driver.ts';
import { createExecService } from './exec/service.ts';
import { createFileService } from './files/service.ts';
import { createImageSource } from './images/index.ts';
import { layoutAt, type Layout } from './layout.ts';
import { prepareLayout } from './prepare-layout.ts';
import { createNetwork, type NetworkOptions } from './network/network.ts';
import { startRounds } from './rounds.ts';
import type { Network } from './ports/network.ts';
import { traced } from './ports/trace.ts';
import type { VmmDriver } from './ports/vmm-driver.ts';
import { explainLostGuest } from './sandbox/ended-meanwhile.ts';
import { keepTimesToLive } from './sandbox/expiry.ts';
import { createLinks } from './sandbox/links.ts';
import { removeOrphans } from './sandbox/orphans.ts';
import { createSandboxService } from './sandbox/service.ts';
import type { Engine, EngineOptions } from './services.ts';
import { keepReserve } from './store/reserve.ts';
import { openSlotRegistry } from './store/slot-registry.ts';
import { openSqliteStore } from './store/sqlite.ts';
import { openUidRegistry } from './store/uid-registry.ts';
import { runInGuest } from './template/run-in-guest.ts';
import { loadTemplate } from './template/load.ts';
import { createTemplateService } from './template/service.ts';
import { createLauncher, type Launcher } from './vmm/launcher.ts';
import type { DriverOptions } from './vmm/probe-boot.ts';
import { createVmmUsers, type VmmUsers } from './vmm/vmm-users.ts';
import { reclaimWork } from './snapshot/reclaim.ts';
import { tellInBackground } from './ports/background.ts';
import { sweep } from './sandbox/reconcile.ts';
import { createSpaceRounds } from './sandbox/waits-for-space.ts';

/** The network slots of this host, for the sandboxes of a state folder. */
export function openNetwork(layout: Layout, launcher: Launcher, keep: NetworkOptions['keep'] = null): Network {
  const { home, slotRegistryFile: registryFile, probeDirectory } = layout;
  return createNetwork({ home, registryFile, probeDirectory, launcher, keep, openRegistry: openSlotRegistry });
}

/** The users that VMMs of this host run as. */
export const openVmmUsers = ({ uidRegistryFile }: Layout): VmmUsers =>
  createVmmUsers((range) => openUidRegistry(uidRegistryFile, range));

/** How often guests that wait for disk space are looked for; whoever looks after a state folder sees to its reserve then, and to what was left half made. */
const lookEveryMs = 5000;

/** Puts drivers, images, store and services together. Dispose it to give back what this process holds; sandboxes run on. */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  try {
    return await assemble(options);
  } catch (error) {
    throw toNovaError(error);
  }
}

async function assemble(options: EngineOptions): Promise<Engine> {
  const layout = layoutAt(options.home);
  prepareLayout(layout);
  keepReserve(layout.reserveFile);
  const store = openSqliteStore(layout.storeFile, layout.reserveFile);
  const images = createImageSource(layout, (work, options) => runInGuest(context, work, options));
  const launcher = createLauncher();
  const users = openVmmUsers(layout);
  const vmm: DriverOptions = {
    launcher,
    users,
    confiner: (options) => images.confiner(options),
    probeDirectory: layout.probeDirectory,
    vmmDirectory: layout.vmmDirectory,
    probeGuest: async (options) => {
      const kernel = await images.kernel(await loadTemplate(layout, 'base'), options);
      const initramfs = await images.initramfs(kernel, options);
      return { kernel: kernel.path, initramfs: initramfs.path };
    },
  };
  const inOrderOfPreference: readonly VmmDriver[] = [
    createFirecrackerDriver(vmm),
    createCloudHypervisorDriver(vmm),
    createQemuDriver(vmm),
    // After QEMU, which has snapshots on macOS too.
    createAppleVzDriver(vmm),
    createProcessDriver({ launcher, agentBinary: async (signal) => (await images.agent({ signal })).path }),
  ];
  const drivers = new Map<HypervisorName, VmmDriver>(
    inOrderOfPreference.map((driver) => [driver.name, traced(driver.name, driver)]),
  );
  const links = createLinks(
    store,
    openSession,
    async (record) => (await drivers.get(record.driver)?.attach(record)) ?? null,
  );
  const network = openNetwork(layout, launcher, options.recover === true ? { slots: options.readySlots ?? 0 } : null);
  const context: EngineContext = { layout, store, images, drivers, openSession, links, network, ending: new Set() };
  await reclaimWork(context);
  await sweep(context, ['creating', 'stopped', 'failed']).catch((error: unknown) =>
    tellInBackground('clearing up what makers left', error),
  );
  if (options.recover === true) await removeOrphans(context);
  // What cannot be cleared up now is tried again by the next; `nova doctor` says why it cannot.
  await network.reclaim().catch(() => undefined);

  const timesToLive = keepTimesToLive(context);
  const looksAfter = options.recover === true;
  const lookForSpace = createSpaceRounds(context, { looksAfter });
  const rounds = startRounds(lookEveryMs, async () => {
    if (looksAfter) {
      keepReserve(layout.reserveFile);
      await reclaimWork(context);
    }
    await lookForSpace();
  });

  let closed: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    using _store = store;
    using _users = users;
    await using _launcher = launcher;
    await using _network = network;
    await using _timesToLive = timesToLive;
    await using _rounds = rounds;
    await Promise.allSettled(inOrderOfPreference.map(async (driver) => driver.endProbes?.()));
    await links.closeAll();
  };
  const close = (): Promise<void> => (closed ??= end());
  const explain = (method: string, ref: string, error: NovaError): Promise<NovaError> =>
    explainLostGuest(context, { method, ref }, error);
  return {
    sandboxes: typedErrors(traced('sandboxes', createSandboxService(context)), explain),
    exec: typedErrors(traced('exec', createExecService(context)), explain),
    files: typedErrors(traced('files', createFileService(context)), explain),
    templates: typedErrors(traced('templates', createTemplateService(context))),
    hypervisors: ({ fresh = false, signal, architecture } = {}) =>
      Promise.all(
        inOrderOfPreference
          .filter(
            ({ features }) =>
              architecture === undefined || architecture === hostArchitecture().name || features.foreignArchitectures,
          )
          .map(async (driver) => ({
            name: driver.name,
            features: driver.features,
            probe: await driver.probe({ fresh, signal, architecture }),
          })),
      ),
    close,
    [Symbol.asyncDispose]: close,
  };
}
