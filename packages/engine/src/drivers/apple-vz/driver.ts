import { join } from 'node:path';
import { driverFeatures, isNovaError, NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../../abort.ts';
import { socketPath } from '../../layout.ts';
import type { Machine, MachineSpec, ProbeOptions, VmmDriver } from '../../ports/vmm-driver.ts';
import { enclose } from '../../vmm/confine.ts';
import type { Launcher } from '../../vmm/launcher.ts';
import { fileTail, logBytes, makeLog, vmmLog } from '../../vmm/logs.ts';
import { largestFile } from '../../vmm/ownership.ts';
import type { DriverOptions } from '../../vmm/probe-boot.ts';
import { isAlive } from '../../vmm/process-identity.ts';
import { connectWhenOpen } from '../../vmm/server-socket.ts';
import { makeSocketDirectory, spawnVmm } from '../../vmm/spawn.ts';
import { unixHttpClient } from '../../vmm/unix-http.ts';
import { createSharedProbe } from '../../vmm/shared-probe.ts';
import { believedMs } from '../../vmm/verdict.ts';
import { vsockChannels } from '../../vmm/vsock-channel.ts';
import { reach } from './api.ts';
import { restSocket, vfkitArguments } from './config.ts';
import { AppleVzMachine } from './machine.ts';
import { probeAppleVz, whyNoFramework, type AppleVzProbe } from './probe.ts';

/** Without snapshots, every sandbox boots. */
const features = driverFeatures({ virtualMachine: true, pause: true, natNetwork: true });

export interface AppleVzOptions extends DriverOptions {
  /** Why this host has no such framework, or null; default: what it is. The tests' stand-in needs none. */
  readonly whyNotHere?: () => string | null;
}

/** Apple's Virtualization framework through vfkit 0.6 and later: Macs with Apple silicon. */
export function createAppleVzDriver(options: AppleVzOptions): VmmDriver {
  const { launcher } = options;
  const shared = createSharedProbe(
    (how) =>
      probeAppleVz({
        whyNotHere: whyNoFramework,
        ...options,
        ...how,
        boot: (spec, binary, signal) => start(launcher, spec, binary, signal),
      }),
    ({ usable, doubtful }) => believedMs(usable !== null, doubtful),
  );
  const probe = (asked: ProbeOptions = {}): Promise<AppleVzProbe> => shared.ask(asked);
  return {
    name: 'apple-vz',
    features,
    async probe(asked = {}) {
      const { usable, binary, version, reason } = await probe(asked);
      return { available: usable !== null, accelerator: usable === null ? 'none' : 'vz', version, binary, reason };
    },
    snapshotKey: async () => `apple-vz ${(await probe()).version}`,
    async launch(spec, { signal }) {
      throwIfAborted(signal, 'before the VMM was started');
      const { usable, reason } = await probe({ signal });
      if (usable === null) throw new NovaError('hypervisor_unavailable', reason);
      return start(launcher, spec, usable, signal);
    },
    attach: (record) => Promise.resolve(isAlive(record) ? new AppleVzMachine(record) : null),
    endProbes: () => shared.end(),
  };
}

/** Starts vfkit, which boots its machine. Whatever goes wrong, nothing of it is left but the spec's directory. */
async function start(launcher: Launcher, spec: MachineSpec, binary: string, signal?: AbortSignal): Promise<Machine> {
  throwIfAborted(signal, 'before the VMM was started');
  await using undo = new AsyncDisposableStack();
  const maxFileBytes = largestFile(spec) + logBytes;
  const enclosure = { network: null, mountTable: null, maxFileBytes };
  const script = enclose(enclosure, [binary, ...vfkitArguments(spec)]);
  await makeSocketDirectory(undo, spec);
  await makeLog(join(spec.directory, vmmLog), maxFileBytes);
  const identity = await spawnVmm(undo, { launcher, spec, script });
  const rest = socketPath(spec.socketDirectory, restSocket);
  const http = unixHttpClient(await connectWhenOpen(rest, spec, identity, signal));
  try {
    await reach(http, 'Running', signal);
  } catch (error) {
    throwIfAborted(signal, 'while the VMM was starting');
    if (!isNovaError(error, 'vmm_failed')) throw error;
    const said = (await fileTail(join(spec.directory, vmmLog), 2000)).trim();
    throw new NovaError('vmm_failed', said === '' ? error.message : `${error.message}\n${said}`, { cause: error });
  } finally {
    http.close();
  }
  undo.move();
  const { id, directory, socketDirectory } = spec;
  return new AppleVzMachine({
    driver: 'apple-vz',
    id,
    ...identity,
    directory,
    socketDirectory,
    channels: vsockChannels,
    cgroup: null,
  });
}
