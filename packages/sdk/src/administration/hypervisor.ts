import type {
  DriverFeatures,
  HypervisorName,
  ProgressSink,
  SandboxConfigInput,
  SandboxStats,
} from '@novasandbox/protocol';
import { NovaError } from '@novasandbox/protocol';
import type { HypervisorReport } from '@novasandbox/engine/services';
import { administrationOf } from '#administration';
import { leaseEngine, type ConnectionOptions, type EngineLease } from '../connection.ts';
import { Sandbox } from '../sandbox.ts';

/**
 * The lower level: sandboxes of one hypervisor, by id. Accepts any hypervisor for which the engine has a driver.
 * Disposing releases its share of the engine; the sandboxes continue to run.
 *
 *     await using hypervisor = new QemuHypervisor();
 *     const sandbox = await hypervisor.createSandbox({ memoryMb: 256 });
 *     await hypervisor.stopSandbox(sandbox.sandboxId);
 */
export class Hypervisor implements AsyncDisposable {
  /** Name of the hypervisor. */
  readonly name: HypervisorName;
  readonly #options: ConnectionOptions;
  #lease: Promise<EngineLease> | undefined;

  constructor(name: HypervisorName, options: ConnectionOptions = {}) {
    this.name = name;
    this.#options = options;
  }

  /** Creates a sandbox and resolves when it answers. The handle owns it, like one from `Sandbox.create`. */
  async createSandbox(
    config: SandboxConfigInput = {},
    options: { readonly signal?: AbortSignal; readonly onProgress?: ProgressSink } = {},
  ): Promise<Sandbox> {
    await this.#engine();
    return Sandbox.create({ ...config, ...options, ...this.#options, hypervisor: this.name });
  }

  /**
   * Boots a stopped sandbox again on this hypervisor, whichever it ran on before. False when it was already running.
   */
  startSandbox(sandboxId: string): Promise<boolean> {
    return this.#with(sandboxId, (sandbox) => sandbox.start({ hypervisor: this.name }));
  }

  /** Stops a sandbox. False when it was not running. */
  stopSandbox(sandboxId: string, options: { readonly force?: boolean } = {}): Promise<boolean> {
    return this.#with(sandboxId, (sandbox) => sandbox.stop(options));
  }

  pauseSandbox(sandboxId: string): Promise<boolean> {
    return this.#with(sandboxId, (sandbox) => sandbox.pause());
  }

  resumeSandbox(sandboxId: string): Promise<boolean> {
    return this.#with(sandboxId, (sandbox) => sandbox.resume());
  }

  getSandboxStats(sandboxId: string): Promise<SandboxStats> {
    return this.#with(sandboxId, (sandbox) => sandbox.getStats());
  }

  /** Reports what this hypervisor can do on this host: accelerator, version, and reasons. `fresh` probes again. */
  async probe(options: { readonly fresh?: boolean; readonly signal?: AbortSignal } = {}): Promise<HypervisorReport> {
    const reports = await administrationOf(await this.#engine()).hypervisors(options);
    const report = reports.find(({ name }) => name === this.name);
    if (report === undefined) throw new NovaError('hypervisor_unavailable', `There is no driver for ${this.name}.`);
    return report;
  }

  /** Reports its features, which are the same on every host. A call it cannot serve throws `feature_unsupported`. */
  async features(): Promise<DriverFeatures> {
    return (await this.probe()).features;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    await (await lease?.catch(() => undefined))?.release();
  }

  async #with<T>(sandboxId: string, work: (sandbox: Sandbox) => Promise<T>): Promise<T> {
    await this.#engine();
    await using sandbox = await Sandbox.connect(sandboxId, this.#options);
    return await work(sandbox);
  }

  /** Holds the engine from the first call on, so that not every call opens and closes it. */
  async #engine() {
    this.#lease ??= leaseEngine(this.#options).catch((error: unknown) => {
      this.#lease = undefined;
      throw error;
    });
    return (await this.#lease).engine;
  }
}

/** Sandboxes on QEMU: with KVM or HVF where these work, emulated everywhere else. */
export class QemuHypervisor extends Hypervisor {
  constructor(options: ConnectionOptions = {}) {
    super('qemu', options);
  }
}

/** Sandboxes on Firecracker, which needs Linux with KVM. */
export class FirecrackerHypervisor extends Hypervisor {
  constructor(options: ConnectionOptions = {}) {
    super('firecracker', options);
  }
}

/** Sandboxes on Cloud Hypervisor, which needs Linux with KVM. */
export class CloudHypervisor extends Hypervisor {
  constructor(options: ConnectionOptions = {}) {
    super('cloud-hypervisor', options);
  }
}

/** Sandboxes on Apple's Virtualization framework, which needs macOS. It has no snapshots, so each sandbox boots. */
export class AppleVzHypervisor extends Hypervisor {
  constructor(options: ConnectionOptions = {}) {
    super('apple-vz', options);
  }
}
