import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { within } from '../abort.ts';
import { hostArchitecture } from '../architecture.ts';
import type { Machine, MachineSpec, ProbeOptions } from '../ports/vmm-driver.ts';
import { hostKernelArguments } from './host-kernel-arguments.ts';
import type { Confiner, VisibleFile } from './confine.ts';
import type { Launcher } from './launcher.ts';
import { consoleLog, fileTail } from './logs.ts';
import type { VmmUsers } from './vmm-users.ts';

/** A kernel and initramfs that announce themselves on the console once they run. */
export type ProbeGuest = (
  options: Pick<ProbeOptions, 'signal' | 'progress'>,
) => Promise<{ readonly kernel: string; readonly initramfs: string }>;

/** What the driver of a VMM is made with. */
export interface DriverOptions {
  readonly launcher: Launcher;
  readonly users: VmmUsers;
  /** Builds the program that shuts VMMs in where it is missing. Called only where we are root. */
  readonly confiner: (options: Pick<ProbeOptions, 'signal' | 'progress'>) => Promise<Confiner>;
  /** Files that VMMs see besides; default: none. The tests' stand-ins are scripts, and need what runs them. */
  readonly alsoVisible?: readonly VisibleFile[];
  /** Where probe results are kept. */
  readonly probeDirectory: string;
  /** Where `nova setup` installs VMMs (binary.ts). */
  readonly vmmDirectory: string;
  /** A guest to prove the hypervisor with; asked for only when it comes to that. */
  readonly probeGuest: ProbeGuest;
}

export type ProbeBootOptions = DriverOptions & ProbeOptions;

/** A guest on working hardware support says it is ready within a second or two; one that never runs says nothing at all. */
const silenceMs = 10_000;
/** One that has said something runs, however slowly: this host may itself be a guest, or have a hundred other things to do. */
const probeTimeoutMs = 120_000;
/** Has the kernel name itself as soon as it has a console. Comes after the driver's own words, which keep it quiet. */
const talkative = 'loglevel=6';
const readyLine = 'nova-agent: ready';

/** Boots a guest with nothing but the agent. Null when it came up, else why not. */
export async function probeBoot(
  options: ProbeBootOptions,
  boot: (spec: MachineSpec, signal: AbortSignal) => Promise<Machine>,
): Promise<string | null> {
  const { kernel, initramfs } = await options.probeGuest(options);
  await mkdir(options.probeDirectory, { recursive: true });
  const directory = await mkdtemp(join(options.probeDirectory, 'boot'));
  const socketDirectory = await mkdtemp('/tmp/nova-probe-');
  try {
    const spec: MachineSpec = {
      id: `probe${process.pid}`,
      sequence: 0,
      directory,
      socketDirectory,
      architecture: hostArchitecture().name,
      memoryMb: 256,
      vcpus: 1,
      kernel,
      initramfs,
      kernelArguments: [...hostKernelArguments(), talkative],
      drives: [],
      network: { mode: 'none' },
      channels: 1,
    };
    const late = (): NovaError =>
      new NovaError('vmm_failed', `it had not started the guest within ${probeTimeoutMs / 1000} s`);
    await using machine = await within(probeTimeoutMs, options.signal, late, (signal) => boot(spec, signal));
    return await ready(machine, options.signal);
  } catch (error) {
    if (isNovaError(error, 'vmm_failed')) return error.message.split('\n')[0] ?? 'the VMM refused';
    throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
    await rm(socketDirectory, { recursive: true, force: true });
  }
}

async function ready(machine: Machine, signal?: AbortSignal): Promise<string | null> {
  const startedAt = performance.now();
  let limitMs = silenceMs;
  let ended = false;
  void machine.exited.then(() => (ended = true));
  while (performance.now() - startedAt < limitMs) {
    if (signal?.aborted === true) throw new NovaError('cancelled', 'Cancelled while probing.');
    const said = await fileTail(join(machine.record.directory, consoleLog), 65_536);
    if (said.includes(readyLine)) return null;
    if (ended) return 'it ended at once';
    if (said !== '') limitMs = probeTimeoutMs;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return limitMs === silenceMs
    ? `nothing heard within ${silenceMs / 1000} s`
    : `it was not ready within ${probeTimeoutMs / 1000} s`;
}
