import type { Duplex } from 'node:stream';
import { isNovaError } from '@novasandbox/protocol';
import type {
  ExtraDriveInput,
  ProgressSink,
  Resize,
  SandboxConfig,
  SandboxConfigInput,
  SandboxInfo,
  SandboxState,
  SandboxStats,
} from '@novasandbox/protocol';
import type { SandboxFilter } from '@novasandbox/engine/services';
import { Commands } from './commands/commands.ts';
import { leaseEngine, splitConnection, withEngine, type ConnectionOptions, type EngineLease } from './connection.ts';
import { Files } from './files/files.ts';
import { Pty } from './pty/pty.ts';
import { SandboxScope } from './sandbox-scope.ts';

export interface CreateOptions extends SandboxConfigInput, ConnectionOptions {
  /** Gives up; nothing is left behind. */
  readonly signal?: AbortSignal | undefined;
  /** Told what goes on when a template or a snapshot has to be made first. */
  readonly onProgress?: ProgressSink | undefined;
}

/**
 * A sandbox: a microVM with a kernel, a disk and an agent of its own.
 *
 *     await using sandbox = await Sandbox.create({ templateId: 'base' });
 *     const { stdout } = await sandbox.commands.run('uname -r');
 *
 * A handle from `create` owns its sandbox: disposing it removes the sandbox. A handle from `connect` is a guest: disposing it leaves the
 * sandbox running. `disconnect` gives either up without touching the sandbox.
 */
export class Sandbox implements AsyncDisposable {
  readonly commands: Commands;
  readonly files: Files;
  readonly pty: Pty;
  /** What it was made with, defaults filled in. */
  readonly config: SandboxConfig;
  readonly #scope: SandboxScope;
  readonly #watching = new AbortController();
  #owned: boolean;
  #info: SandboxInfo;

  private constructor(scope: SandboxScope, info: SandboxInfo, config: SandboxConfig, owned: boolean) {
    this.#scope = scope;
    this.#info = info;
    this.#owned = owned;
    this.config = config;
    this.commands = new Commands(scope);
    this.files = new Files(scope);
    this.pty = new Pty(scope);
    this.#watchExit();
  }

  /** Makes a sandbox and resolves when it answers. The handle owns it: disposing removes it. */
  static async create(options: CreateOptions = {}): Promise<Sandbox> {
    const [connection, { signal, onProgress, ...config }] = splitConnection(options);
    const lease = await leaseEngine(connection);
    return Sandbox.#open(lease, true, () => lease.engine.sandboxes.create(config, { signal, progress: onProgress }));
  }

  /** A handle on a sandbox that is there, by id, unique beginning of an id, or name. Disposing leaves the sandbox running. */
  static async connect(ref: string, options: ConnectionOptions = {}): Promise<Sandbox> {
    const lease = await leaseEngine(options);
    return Sandbox.#open(lease, false, () => lease.engine.sandboxes.get(ref));
  }

  /** The sandboxes of this host, over a daemon those that its key may see: running and paused ones, or `all`. */
  static list(options: SandboxFilter & ConnectionOptions = {}): Promise<SandboxInfo[]> {
    const [connection, filter] = splitConnection(options);
    return withEngine(connection, (opened) => opened.sandboxes.list(filter));
  }

  /** Removes a sandbox, whatever its state. False when there is none. */
  static kill(ref: string, options: ConnectionOptions = {}): Promise<boolean> {
    return withEngine(options, async ({ sandboxes }) => {
      try {
        await sandboxes.remove(ref, { force: true });
        return true;
      } catch (error) {
        if (isNovaError(error, 'sandbox_not_found')) return false;
        throw error;
      }
    });
  }

  static async #open(lease: EngineLease, owned: boolean, find: () => Promise<SandboxInfo>): Promise<Sandbox> {
    try {
      const info = await find();
      const config = await lease.engine.sandboxes.config(info.id);
      return new Sandbox(new SandboxScope(info.id, lease), info, config, owned);
    } catch (error) {
      await lease.release();
      throw error;
    }
  }

  get id(): string {
    return this.#info.id;
  }

  get sandboxId(): string {
    return this.#info.id;
  }

  get name(): string | null {
    return this.#info.name;
  }

  /** As this handle knows it: from its own last call, and at once when the sandbox ends by itself. `getInfo` asks anew. */
  get state(): SandboxState {
    return this.#info.state;
  }

  /** How it started: `bootTimeMs` from the call to the agent's first answer, `bootKind`, `accelerator`. */
  get metadata(): SandboxInfo['metadata'] {
    return this.#info.metadata;
  }

  /** Whether it runs, as this handle knows it. */
  isRunning(): boolean {
    return this.#info.state === 'running';
  }

  /** Since its start, in ms; 0 when it neither runs nor is paused. */
  getUptimeMs(): number {
    const { state, startedAt } = this.#info;
    if (startedAt === null || (state !== 'running' && state !== 'paused')) return 0;
    return Math.max(0, Date.now() - Date.parse(startedAt));
  }

  /** Everything about it, asked anew. */
  async getInfo(): Promise<SandboxInfo> {
    return this.#learn(await this.#scope.engine.sandboxes.get(this.id));
  }

  getStats(): Promise<SandboxStats> {
    return this.#scope.engine.sandboxes.stats(this.id);
  }

  /** The last bytes of the guest's console and of the VMM's log. The console is the guest's word: it may hold anything. */
  getLogs(options: { readonly bytes?: number } = {}): Promise<{ readonly console: string; readonly vmm: string }> {
    return this.#scope.engine.sandboxes.logs(this.id, options);
  }

  /**
   * Boots a stopped sandbox again from its own disk, on another hypervisor where one is named. False when it ran already.
   * @throws NovaError `invalid_state` when it runs on another one than is named
   */
  async start(options: Pick<CreateOptions, 'signal' | 'onProgress' | 'hypervisor'> = {}): Promise<boolean> {
    const { signal, onProgress, hypervisor } = options;
    const change = await this.#change('running', () =>
      this.#scope.engine.sandboxes.start(this.id, { signal, progress: onProgress, hypervisor }),
    );
    this.#watchExit();
    return change;
  }

  /** Stops it; the disk stays, `start` boots it again. Without `force` the guest is asked first. False when it did not run. */
  stop(options: { readonly force?: boolean; readonly graceMs?: number } = {}): Promise<boolean> {
    return this.#change('stopped', () => this.#scope.engine.sandboxes.stop(this.id, options));
  }

  /** Freezes it, memory and all; it costs no CPU then. False when it was paused. */
  pause(): Promise<boolean> {
    return this.#change('paused', () => this.#scope.engine.sandboxes.pause(this.id));
  }

  /** Lets a paused sandbox go on. False when it ran. */
  resume(): Promise<boolean> {
    return this.#change('running', () => this.#scope.engine.sandboxes.resume(this.id));
  }

  /** Sets the time to live from now, 0 for none. The guest ends itself then, whoever is still there. */
  async setTimeout(timeoutMs: number): Promise<void> {
    this.#learn(await this.#scope.engine.sandboxes.setTimeout(this.id, timeoutMs));
  }

  /**
   * Gives it more or fewer CPUs, or more memory, while it runs; it keeps that when it is started again. Memory grows in steps that the hypervisor has. Refused
   * with `feature_unsupported` where the hypervisor cannot.
   */
  async resize(to: Resize, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#learn(await this.#scope.engine.sandboxes.resize(this.id, to, options));
  }

  /**
   * Adds a disk image of this host while it runs, mounted at `mountPath`; gone with the next start. Returns its name, for `removeDrive`. Refused with
   * `feature_unsupported` where the hypervisor cannot, and over a daemon.
   */
  addDrive(drive: ExtraDriveInput, options: { readonly signal?: AbortSignal } = {}): Promise<string> {
    return this.#scope.engine.sandboxes.addDrive(this.id, drive, options);
  }

  /** Unmounts a drive that `addDrive` has added and takes it away. */
  removeDrive(name: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#scope.engine.sandboxes.removeDrive(this.id, name, options);
  }

  /**
   * Gives it the network that it was made without (`enableNetwork: false`), or that was taken from it, while it runs. One that has it is left alone. Refused
   * with `feature_unsupported` where the hypervisor cannot.
   */
  addNetwork(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#scope.engine.sandboxes.addNetwork(this.id, options);
  }

  /** Takes its network away while it runs, connections and all. The next start is as it was made. */
  removeNetwork(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#scope.engine.sandboxes.removeNetwork(this.id, options);
  }

  /** A connection to a TCP port of the guest, also one that listens on its loopback alone. */
  tunnel(port: number, options: { readonly signal?: AbortSignal } = {}): Promise<Duplex> {
    return this.#scope.engine.files.tunnel(this.id, port, options);
  }

  /** Runs a shell command and gives its stdout; throws a CommandError when it fails. */
  async executeCommand(command: string): Promise<string> {
    return (await this.commands.run(command)).stdout;
  }

  /** Removes the sandbox with its disk and closes the handle. False when it was gone. */
  async kill(): Promise<boolean> {
    if (this.#scope.closed) return false;
    this.#watching.abort();
    let wasThere = true;
    try {
      await this.#scope.engine.sandboxes.remove(this.id, { force: true });
    } catch (error) {
      // One that could not be removed is still there, and can be killed again.
      if (!isNovaError(error, 'sandbox_not_found')) throw error;
      wasThere = false;
    }
    this.#owned = false;
    this.#info = { ...this.#info, state: 'stopped' };
    await this.#scope.close();
    return wasThere;
  }

  /** Closes the handle and leaves the sandbox as it is. */
  async disconnect(): Promise<void> {
    this.#owned = false;
    this.#watching.abort();
    await this.#scope.close();
  }

  /** A handle from `create` removes its sandbox; one from `connect` leaves it. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#owned) await this.kill();
    } finally {
      await this.disconnect();
    }
  }

  async #change(to: SandboxState, call: () => Promise<SandboxInfo>): Promise<boolean> {
    const before = await this.getInfo();
    this.#learn(await call());
    return before.state !== to;
  }

  #learn(info: SandboxInfo): SandboxInfo {
    this.#info = info;
    return info;
  }

  /** Hears of an end nobody asked for, so that `state` and `isRunning` do not lie. */
  #watchExit(): void {
    if (this.#info.state !== 'running' && this.#info.state !== 'paused') return;
    this.#scope.engine.sandboxes.exited(this.id, { signal: this.#watching.signal }).then(
      (info) => {
        // It may have been started again since.
        if (info.startedAt === this.#info.startedAt) this.#learn(info);
      },
      () => undefined,
    );
  }
}
