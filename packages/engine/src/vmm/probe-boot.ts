import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { within } from '../abort.ts';
import { hostArchitecture } from '../architecture.ts';
import { inBackground } from '../ports/background.ts';
import type { DriverMeans, ProbeGuest } from '../ports/driver-means.ts';
import type { Machine, MachineSpec, ProbeOptions } from '../ports/vmm-driver.ts';
import { hostKernelArguments } from './host-kernel-arguments.ts';
import { consoleLog, fileTail } from './logs.ts';
import { clearProbe, makeProbeFolders, reclaimProbes } from './probe-debris.ts';
import { isUnanswered } from './patience.ts';

type ProbeBootOptions = Pick<DriverMeans, 'probeDirectory' | 'probeGuest'> & ProbeOptions;

/** How long a guest may be completely silent before it is given up: the limit that is reached first counts. */
interface Silence {
  /** Milliseconds. */
  readonly ms: number;
  /** CPU time of its VMM, in milliseconds. It detects a guest that hangs at full load, however busy the host is. */
  readonly cpuMs: number;
}

/** On working hardware support a guest is ready within a second or two; a guest that never runs stays silent. */
const onHardware: Silence = { ms: 10_000, cpuMs: Infinity };
/** An emulated guest writes its first line after half a second of CPU time, which a busy host may take long to give. */
const emulated: Silence = { ms: 60_000, cpuMs: 10_000 };
/**
 * A guest that has written something runs, however slowly: this host may itself be a guest, or have a hundred other
 * things to do.
 */
const probeTimeoutMs = 120_000;
/**
 * Makes the kernel print its name as soon as it has a console. It comes after the driver's own arguments, which keep
 * the kernel quiet.
 */
const talkative = 'loglevel=6';
const readyLine = 'nova-agent: ready';

type Boot = (spec: MachineSpec, signal: AbortSignal) => Promise<Machine>;

/** Why a probe failed. */
export interface ProbeFailure {
  readonly why: string;
  /**
   * Whether the cause may pass: the VMM ended or refused, as a killed one does, or its guest ran and did not get ready.
   * A guest that does not run at all writes nothing.
   */
  readonly mayPass: boolean;
}

/**
 * Boots a guest that contains only the agent. Null when it came up, else the reason. A failure that may pass is tried a
 * second time, because a killed VMM or an overloaded host says nothing about the hypervisor.
 */
export async function probeBoot(
  options: ProbeBootOptions,
  boot: Boot,
  { emulates = false }: { readonly emulates?: boolean } = {},
): Promise<ProbeFailure | null> {
  const guest = await options.probeGuest(options);
  await reclaimProbes(options.probeDirectory);
  const silence = emulates ? emulated : onHardware;
  const first = await bootOnce(options, guest, boot, silence);
  return first?.mayPass === true ? bootOnce(options, guest, boot, silence) : first;
}

export const whyNot = (failure: ProbeFailure | null): string | null => failure?.why ?? null;

async function bootOnce(
  options: ProbeBootOptions,
  { kernel, initramfs }: Awaited<ReturnType<ProbeGuest>>,
  boot: Boot,
  silence: Silence,
): Promise<ProbeFailure | null> {
  // Drivers and processes probe side by side, so each probe is a machine of its own.
  const id = `probe${randomBytes(8).toString('hex')}`;
  try {
    const { directory, sockets } = await makeProbeFolders(options.probeDirectory, id);
    const spec: MachineSpec = {
      id,
      sequence: 0,
      directory,
      socketDirectory: join(sockets, 'vm'),
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
      new NovaError('vmm_failed', `it had not started the guest within ${probeTimeoutMs / 1000} s`, {
        details: { limitMs: probeTimeoutMs },
      });
    await using machine = await within(probeTimeoutMs, options.signal, late, (signal) => boot(spec, signal));
    return await ready(machine, silence, options.signal);
  } catch (error) {
    if (isNovaError(error, 'vmm_failed'))
      return { why: error.message.split('\n')[0] ?? 'the VMM refused', mayPass: !isUnanswered(error) };
    throw error;
  } finally {
    await clearProbe(options.probeDirectory, id);
  }
}

async function ready(machine: Machine, silence: Silence, signal?: AbortSignal): Promise<ProbeFailure | null> {
  const hangs = (why: string): ProbeFailure => ({ why, mayPass: false });
  const startedAt = performance.now();
  let limitMs = silence.ms;
  let ended = false;
  inBackground('watching a probe', () => machine.exited.then(() => (ended = true)));
  while (performance.now() - startedAt < limitMs) {
    if (signal?.aborted === true) throw new NovaError('cancelled', 'Cancelled while probing.');
    const said = await fileTail(join(machine.record.directory, consoleLog), 65_536);
    if (said.includes(readyLine)) return null;
    if (ended) return { why: 'it ended at once', mayPass: true };
    if (said !== '') limitMs = probeTimeoutMs;
    else if (await hasUsed(machine, silence.cpuMs))
      return hangs(`it used ${silence.cpuMs / 1000} s of CPU time without writing a line to its console`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return limitMs === silence.ms
    ? hangs(`it wrote nothing to its console within ${silence.ms / 1000} s`)
    : { why: `it was not ready within ${probeTimeoutMs / 1000} s`, mayPass: true };
}

async function hasUsed(machine: Machine, cpuMs: number): Promise<boolean> {
  if (cpuMs === Infinity) return false;
  // A VMM that has just ended has no usage.
  const stats = await machine.stats().catch(() => null);
  return stats !== null && stats.cpuUs / 1000 >= cpuMs;
}
