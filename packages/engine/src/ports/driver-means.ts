import type { ProbeOptions, VmmDriver } from './vmm-driver.ts';

/**
 * Makes a kernel and an initramfs whose agent reports on the console that it is ready. A driver proves its hypervisor
 * with it.
 */
export type ProbeGuest = (
  options: Pick<ProbeOptions, 'signal' | 'progress'>,
) => Promise<{ readonly kernel: string; readonly initramfs: string }>;

/** The means that the engine passes to each driver that it makes. */
export interface DriverMeans {
  /** The folder that keeps the results of probes. */
  readonly probeDirectory: string;
  readonly probeGuest: ProbeGuest;
  /**
   * Builds the guest agent for this host where it is missing, and gives its path. For drivers that run no virtual
   * machine.
   */
  readonly agentBinary: (signal?: AbortSignal) => Promise<string>;
}

/**
 * Makes a driver. It is called once for each engine, before anything else happens. The driver must not examine the host
 * until it is asked to.
 */
export type CreateDriver = (means: DriverMeans) => VmmDriver;
