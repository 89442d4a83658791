import { join } from 'node:path';
import { driverFeatures } from '@novasandbox/protocol';
import { throwIfAborted } from '../../abort.ts';
import { socketPath } from '../../layout.ts';
import type { Machine, MachineSpec, VmmDriver } from '../../ports/vmm-driver.ts';
import { enclose } from '../../vmm/confine.ts';
import type { DriverOptions } from '../../vmm/driver-options.ts';
import { withLastWords } from '../../vmm/last-words.ts';
import type { Launcher } from '../../vmm/launcher.ts';
import { logBytes, makeLog, vmmLog } from '../../vmm/logs.ts';
import { machineRecord } from '../../vmm/machine-record.ts';
import { largestFile } from '../../vmm/ownership.ts';
import { isAlive } from '../../vmm/process-identity.ts';
import { createProver, probeOf } from '../../vmm/prove.ts';
import { connectWhenOpen } from '../../vmm/server-socket.ts';
import { makeSocketDirectory, spawnVmm } from '../../vmm/spawn.ts';
import { unixHttpClient } from '../../vmm/unix-http.ts';
import { vsockChannels } from '../../vmm/vsock-channel.ts';
import { reach } from './api.ts';
import { restSocket, vfkitArguments } from './config.ts';
import { AppleVzMachine } from './machine.ts';
import { probeAppleVz } from './probe.ts';

/** There are no snapshots, so every sandbox boots. */
const features = driverFeatures({ virtualMachine: true, pause: true, natNetwork: true });

/** Apple's Virtualization framework through vfkit 0.6 and later: Macs with Apple silicon. */
export function createAppleVzDriver(options: DriverOptions): VmmDriver {
  const { launcher } = options;
  const prover = createProver((asked) =>
    probeAppleVz({ ...options, ...asked }, (spec, binary, signal) => start(launcher, spec, binary, signal)),
  );
  return {
    name: 'apple-vz',
    features,
    probe: async (asked = {}) => probeOf(await prover.ask(asked), 'vz'),
    snapshotKey: async () => `apple-vz ${(await prover.ask({})).version}`,
    launch: async (spec, { signal }) => start(launcher, spec, await prover.require({ signal }), signal),
    attach: (record) => Promise.resolve(isAlive(record) ? new AppleVzMachine(record) : null),
    endProbes: () => prover.end(),
  };
}

/** Starts vfkit, which boots its machine. After an error nothing is left but the spec's directory. */
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
    await withLastWords(spec, signal, () => reach(http, 'Running', signal));
  } finally {
    http.close();
  }
  undo.move();
  return new AppleVzMachine(machineRecord('apple-vz', spec, identity, { channels: vsockChannels, cgroup: null }));
}
