import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import type { Machine, MachineSpec, ProbeOptions } from '../ports/vmm-driver.ts';
import { consoleLog, fileTail } from './logs.ts';

/** A kernel and initramfs that announce themselves on the console once they run. */
export type ProbeGuest = (
  options: Pick<ProbeOptions, 'signal' | 'progress'>,
) => Promise<{ readonly kernel: string; readonly initramfs: string }>;

/** What the driver of a VMM is made with. */
export interface DriverOptions {
  /** Where probe results are kept. */
  readonly probeDirectory: string;
  /** Where `nova setup` installs VMMs (binary.ts). */
  readonly vmmDirectory: string;
  /** A guest to prove the hypervisor with; asked for only when it comes to that. */
  readonly probeGuest: ProbeGuest;
}

export type ProbeBootOptions = DriverOptions & ProbeOptions;

/** A guest on working hardware support says it is ready within a second or two. */
const probeTimeoutMs = 10_000;
const readyLine = 'nova-agent: ready';

/** Boots a guest with nothing but the agent. Null when it came up, else why not. */
export async function probeBoot(
  options: ProbeBootOptions,
  boot: (spec: MachineSpec) => Promise<Machine>,
): Promise<string | null> {
  const { kernel, initramfs } = await options.probeGuest(options);
  await mkdir(options.probeDirectory, { recursive: true });
  const directory = await mkdtemp(join(options.probeDirectory, 'boot'));
  const socketDirectory = await mkdtemp('/tmp/nova-probe-');
  try {
    await using machine = await boot({
      id: `probe${process.pid}`,
      sequence: 0,
      directory,
      socketDirectory,
      memoryMb: 256,
      vcpus: 1,
      kernel,
      initramfs,
      kernelArguments: [],
      drives: [],
      network: { mode: 'none' },
      channels: 1,
    });
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
  const end = performance.now() + probeTimeoutMs;
  let ended = false;
  void machine.exited.then(() => (ended = true));
  while (performance.now() < end) {
    if (signal?.aborted === true) throw new NovaError('cancelled', 'Cancelled while probing.');
    if ((await fileTail(join(machine.record.directory, consoleLog), 65_536)).includes(readyLine)) return null;
    if (ended) return 'it ended at once';
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return `nothing heard within ${probeTimeoutMs / 1000} s`;
}
