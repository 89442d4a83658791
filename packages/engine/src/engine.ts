import { parse, policyChoiceSchema, toNovaError, type NovaError } from '@novasandbox/protocol';
import { together } from './abort.ts';
import { openSession } from './agent/index.ts';
import { hostArchitecture } from './architecture.ts';
import { offer } from './boundary.ts';
import type { EngineContext } from './context.ts';
import { createAllDrivers } from './drivers/all-drivers.ts';
import { loadDrivers } from './drivers/load-drivers.ts';
import { openEgress } from './egress/index.ts';
import { createExecService } from './exec/service.ts';
import { createFileService } from './files/service.ts';
import { createImageSource } from './images/index.ts';
import { layoutAt, removeEmptyRunFolder, type Layout } from './layout.ts';
import { prepareLayout } from './prepare-layout.ts';
import { createNetwork, type NetworkOptions } from './network/network.ts';
import { createRootlessNetwork } from './network/rootless/network.ts';
import { startRounds } from './rounds.ts';
import { endLeftClones, leaveClone } from './pool/leave.ts';
import { createPool } from './pool/pool.ts';
import { createPolicyService } from './policies/service.ts';
import { watchEgress } from './policies/watch.ts';
import type { Egress } from './ports/egress.ts';
import type { Network } from './ports/network.ts';
import { traced } from './ports/trace.ts';
import { requireDriver } from './sandbox/attach-machine.ts';
import { keepGoverning } from './sandbox/change-policy.ts';
import { createDiskRounds } from './sandbox/full-disks.ts';
import { explainLostGuest } from './sandbox/ended-meanwhile.ts';
import { watchEvents } from './sandbox/events.ts';
import { keepTimesToLive } from './sandbox/expiry.ts';
import { createLinks } from './guest/links.ts';
import { removeOrphans } from './sandbox/orphans.ts';
import { createSandboxService } from './sandbox/service.ts';
import type { EngineOptions, LocalEngine, NetworkEvent } from './services.ts';
import { createSeals } from './secrets/seal.ts';
import { createFetchPrebuilt } from './setup/fetch-prebuilt.ts';
import { createSnapshotService } from './snapshot/service.ts';
import { adoptSnapshots } from './storage/adopt.ts';
import { createStorageService } from './storage/service.ts';
import { keepReserve } from './store/reserve.ts';
import { createNetworkService } from './networks/service.ts';
import { openSlotRegistry } from './store/slot-registry.ts';
import { openSqliteStore } from './store/sqlite.ts';
import { openUidRegistry } from './store/uid-registry.ts';
import { runInGuest } from './template/run-in-guest.ts';
import { createVolumeService } from './volumes/service.ts';
import { loadTemplate } from './images/load-template.ts';
import { createTemplateService } from './template/service.ts';
import { confinerFor, mayChangeUsers } from './vmm/confine.ts';
import { createLauncher, type Launcher } from './vmm/launcher.ts';
import type { DriverOptions } from './vmm/driver-options.ts';
import { createVmmUsers, type VmmUsers } from './vmm/vmm-users.ts';
import { reclaimWork } from './guest/reclaim.ts';
import { tellInBackground } from './ports/background.ts';
import { sweep } from './sandbox/reconcile.ts';
import { abandonSandbox } from './sandbox/stop.ts';
import { createSpaceRounds } from './sandbox/waits-for-space.ts';

/** The network slots of this host, for the sandboxes of a state folder. */
export function openNetwork(
  layout: Layout,
  launcher: Launcher,
  keep: NetworkOptions['keep'] = null,
  egress: Egress = openEgress({
    layout,
    users: openVmmUsers(layout),
    listener: (options) => createImageSource(layout).listener(options),
  }),
): Network {
  const { home, slotRegistryFile: registryFile, probeDirectory } = layout;
  const shared = { home, registryFile, probeDirectory, egress, openRegistry: openSlotRegistry };
  return mayChangeUsers() ? createNetwork({ ...shared, launcher, keep }) : createRootlessNetwork(shared);
}

/** The users that VMMs of this host run as. */
export const openVmmUsers = ({ uidRegistryFile }: Layout): VmmUsers =>
  createVmmUsers((range) => openUidRegistry(uidRegistryFile, range));

/**
 * How often to look for guests that wait for disk space. The process that looks after a state folder then also restores
 * its reserve and removes half-made things.
 */
const lookEveryMs = 5000;
/** The names that guests were given addresses for are noted once a minute. */
const roundsPerNames = 12;

/**
 * Puts drivers, images, store and services together. Disposing it gives back what this process holds; sandboxes run on.
 */
export async function createEngine(options: EngineOptions = {}): Promise<LocalEngine> {
  try {
    return await assemble(options);
  } catch (error) {
    throw toNovaError(error);
  }
}

async function assemble(options: EngineOptions): Promise<LocalEngine> {
  const givenDrivers = [...(await loadDrivers()), ...(options.drivers ?? [])];
  const layout = layoutAt(options.home);
  prepareLayout(layout);
  keepReserve(layout.reserveFile);
  const store = openSqliteStore(layout.storeFile, layout.reserveFile);
  const images = createImageSource(
    layout,
    (work, options) => runInGuest(context, work, options),
    createFetchPrebuilt(),
  );
  const launcher = createLauncher();
  const users = openVmmUsers(layout);
  const vmm: DriverOptions = {
    launcher,
    users,
    confiner: (options) => images.confiner(options),
    probeDirectory: layout.probeDirectory,
    vmmDirectory: layout.vmmDirectory,
    agentBinary: async (signal) => (await images.agent({ signal })).path,
    probeGuest: async (options) => {
      const template = await loadTemplate(layout, 'base');
      const [{ kernel, initramfs }] = await together(options.signal, [
        (signal) => images.boot(template, { ...options, signal }),
        // The probe's VMM is started by the confiner, which is built meanwhile.
        (signal) => confinerFor({ confiner: () => images.confiner({ ...options, signal }) }, signal),
      ]);
      return { kernel: kernel.path, initramfs: initramfs.path };
    },
  };
  const made = createAllDrivers(vmm, givenDrivers);
  const drivers = new Map([...made].map(([name, driver]) => [name, traced(name, driver)]));
  const links = createLinks(store, openSession, (record) => requireDriver(context, record.driver).attach(record));
  const egress = openEgress({ layout, users, listener: (options) => images.listener(options) });
  const keep = options.recover === true ? { slots: options.readySlots ?? 0 } : null;
  const network = openNetwork(layout, launcher, keep, egress);
  const wakings: EngineContext['wakings'] = { admit: () => () => undefined };
  const pool = createPool(options.pool);
  const context: EngineContext = {
    ...{ layout, store, images, drivers, openSession, links, network },
    seals: createSeals(layout.secretsKeyFile),
    pool: pool.creates,
    wakings,
    defaultPolicy:
      options.defaultPolicy === undefined
        ? undefined
        : parse(policyChoiceSchema, options.defaultPolicy, 'defaultPolicy'),
  };
  await reclaimWork(context);
  await sweep(context, ['creating', 'stopping', 'stopped', 'failed']).catch((error: unknown) =>
    tellInBackground('clearing up what makers left', error),
  );
  if (options.recover === true) {
    await removeOrphans(context);
    // A process may have been killed between publishing a snapshot and recording it.
    await adoptSnapshots(context, {}).catch((error: unknown) => tellInBackground('recording snapshots', error));
  }
  // The next engine tries again to clear up what cannot be cleared up now; `nova doctor` says why it cannot.
  await network.reclaim().catch(() => undefined);

  // The process that enforces policies may have been killed: its sandboxes reach nothing until it serves them again.
  await keepGoverning(context, { names: false }).catch((error: unknown) =>
    tellInBackground('putting policies in force again', error),
  );

  const timesToLive = keepTimesToLive(context);
  const looksAfter = options.recover === true;
  const lookForSpace = createSpaceRounds(context, { looksAfter });
  const lookForFullDisks = createDiskRounds(context, { looksAfter });
  let round = 0;
  const rounds = startRounds(lookEveryMs, async () => {
    if (looksAfter) {
      keepReserve(layout.reserveFile);
      await reclaimWork(context);
      store.flush();
      await keepGoverning(context, { names: round % roundsPerNames === 0 });
      round += 1;
    }
    await lookForSpace();
    await lookForFullDisks();
  });

  const kept = pool.keep(context);
  const networkListeners = new Set<(event: NetworkEvent) => void>();
  let watching: AsyncDisposable | undefined;

  let closed: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    using _store = store;
    using _users = users;
    await using _launcher = launcher;
    await using _egress = egress;
    await using _network = network;
    await using _timesToLive = timesToLive;
    await using _rounds = rounds;
    await Promise.allSettled([...made.values()].map(async (driver) => driver.endProbes?.()));
    await kept[Symbol.asyncDispose]();
    await watching?.[Symbol.asyncDispose]();
    await links.closeAll();
    removeEmptyRunFolder(layout.run);
  };
  const close = (): Promise<void> => (closed ??= end());
  const explain = (method: string, ref: string, error: NovaError): Promise<NovaError> =>
    explainLostGuest(context, { method, ref }, error);
  return {
    place: { home: layout.home },
    sandboxes: offer('sandboxes', createSandboxService(context), explain),
    exec: offer('exec', createExecService(context), explain),
    files: offer('files', createFileService(context), explain),
    templates: offer('templates', createTemplateService(context)),
    snapshots: offer('snapshots', createSnapshotService(context)),
    volumes: offer('volumes', createVolumeService(context)),
    networks: offer('networks', createNetworkService(context)),
    policies: offer('policies', createPolicyService(context)),
    onNetworkEvent(listen) {
      networkListeners.add(listen);
      watching ??= watchEgress(context, (event) => {
        for (const each of networkListeners) each(event);
      });
      return { [Symbol.dispose]: () => void networkListeners.delete(listen) };
    },
    pool: offer('pool', pool.serviceOf(context)),
    onPoolEvent: pool.onEvent,
    storage: offer('storage', createStorageService(context)),
    leaveClone: (config, { signal = new AbortController().signal, ...how }) =>
      leaveClone(context, config, { ...how, signal }),
    abandon: (ref) => abandonSandbox(context, ref),
    endLeftClones: () => endLeftClones(context),
    drivers: new Map([...drivers].map(([name, { features }]) => [name, features])),
    admitWakings: (admit) => {
      wakings.admit = admit;
    },
    hypervisors: ({ fresh = false, signal, architecture } = {}) =>
      Promise.all(
        [...drivers.values()]
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
    events: (filter, call) => watchEvents(context, filter, call),
    close,
    [Symbol.asyncDispose]: close,
  };
}
