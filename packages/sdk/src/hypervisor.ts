import type {
  DriverFeatures,
  HypervisorName,
  ProgressSink,
  SandboxConfigInput,
  SandboxStats,
} from '@novasandbox/protocol';
import { NovaError } from '@novasandbox/protocol';
import type { HypervisorReport } from '@novasandbox/engine/services';
import { leaseEngine, type ConnectionOptions, type EngineLease } from './connection.ts';
import { Sandbox } from './sandbox.ts';

/**
 * The lower level: sandboxes of one hypervisor, by id. Disposing gives its share of the engine back; the sandboxes live on.
 *
 *     await using hypervisor = new QemuHypervisor();
 *     const sandbox = await hypervisor.createSandbox({ memoryMb: 256 });
 *     await hypervisor.stopSandbox(sandbox.sandboxId);
 */
export abstract class Hypervisor implements AsyncDisposable {
  /** Which one it is. */
  readonly name: HypervisorName;
  readonly #options: ConnectionOptions;
  #lease: Promise<EngineLease> | undefined;

  constructor(name: HypervisorName, options: ConnectionOptions) {
    this.name = name;
    this.#options = options;
  }

  /** Makes a sandbox and resolves when it answers. The handle owns it, as one from `Sandbox.create` does. */
  async createSandbox(
    config: SandboxConfigInput = {},
    options: { readonly signal?: AbortSignal; readonly onProgress?: ProgressSink } = {},
  ): Promise<Sandbox> {
    await this.#engine();
    return Sandbox.create({ ...config, ...options, ...this.#options, hypervisor: this.name });
  }

  /** Boots a stopped sandbox again, on this hypervisor whichever it ran on before. False when it ran already. */
  startSandbox(sandboxId: string): Promise<boolean> {
    return this.#with(sandboxId, (sandbox) => sandbox.start({ hypervisor: this.name }));
  }

  /** False when it did not run. */
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

  /** What this hypervisor can do on this host: accelerator, version, and why. `fresh` probes anew. */
  async probe(options: { readonly fresh?: boolean; readonly signal?: AbortSignal } = {}): Promise<HypervisorReport> {
    const reports = await (await this.#engine()).hypervisors(options);
    const report = reports.find(({ name }) => name === this.name);
    if (report === undefined) throw new NovaError('hypervisor_unavailable', `There is no driver for ${this.name}.`);
    return report;
  }

  /** What it can do, on any host: a call it cannot serve throws `feature_unsupported`. */
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

  /** Held from the first call on, so that the engine is not opened and closed by every one. */
  async #engine() {
    this.#lease ??= leaseEngine(this.#options).catch((error: unknown) => {
      this.#lease = undefined;
      throw error;
    });
    return (await this.#lease).engine;
  }
}

/** Sandboxes on QEMU: with KVM or HVF where they work, emulated everywhere else. */
export class QemuHypervisor extends Hypervisor {
  constructor(options: ConnectionOptions = {}) {
    super('qemu', options);
  }
}

/** Sandboxes on Firecracker: Linux with KVM. */
export class FirecrackerHypervisor extends Hypervisor {
  constructor(options: ConnectionOptions = {}) {
    super('firecracker', options);
  }
}

/** Sandboxes on Cloud Hypervisor: Linux with KVM. */
export class CloudHypervisor extends Hypervisor {
  constructor(options: ConnectionOptions = {}) {
    super('cloud-hypervisor', options);
  }
}

/** Sandboxes on Apple's Virtualization framework: macOS. Without snapshots, so that each one boots. */
export class AppleVzHypervisor extends Hypervisor {
  constructor(options: ConnectionOptions = {}) {
    super('apple-vz', options);
  }
}
