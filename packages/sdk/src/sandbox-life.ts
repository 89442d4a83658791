import type { Duplex } from 'node:stream';
import {
  hasMachine,
  isNovaError,
  type Decision,
  type PolicyChoiceInput,
  type SecretInfo,
  type SecretSettingsInput,
} from '@novasandbox/protocol';
import type {
  ExtraDriveInput,
  HypervisorName,
  ProgressSink,
  Resize,
  SandboxEvent,
  SandboxInfo,
  SandboxState,
  SandboxStats,
} from '@novasandbox/protocol';
import type { EventFilter, SandboxLogs, SandboxService } from '@novasandbox/engine/services';
import type { SandboxScope } from './sandbox-scope.ts';

/** Options of calls that may take long. */
export interface CallOptions {
  /** Cancels the call; nothing is left behind. */
  readonly signal?: AbortSignal | undefined;
  /** Receives progress when a template or a snapshot has to be built first. */
  readonly onProgress?: ProgressSink | undefined;
}

/** The facts that a handle knows of its sandbox, and the calls that act on the sandbox as a whole. */
export abstract class SandboxLife implements AsyncDisposable {
  /** @internal */
  protected readonly scope: SandboxScope;
  readonly #watching = new AbortController();
  #owned: boolean;
  #isWatched = false;
  #info: SandboxInfo;

  /** @internal */
  constructor(scope: SandboxScope, info: SandboxInfo, owned: boolean) {
    this.scope = scope;
    this.#info = info;
    this.#owned = owned;
    this.#watchExit();
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

  /**
   * The state as this handle knows it: from its own last call, updated at once when the sandbox ends by itself.
   * `getInfo` asks again.
   */
  get state(): SandboxState {
    return this.#info.state;
  }

  /** How the sandbox started: `bootTimeMs` from the call to the agent's first answer, `bootKind`, `accelerator`. */
  get metadata(): SandboxInfo['metadata'] {
    return this.#info.metadata;
  }

  /** Whether the sandbox runs, as this handle knows it. */
  isRunning(): boolean {
    return this.#info.state === 'running';
  }

  /** Time since its start, in ms; 0 unless it is running or paused. */
  getUptimeMs(): number {
    const { state, startedAt } = this.#info;
    if (startedAt === null || (state !== 'running' && state !== 'paused')) return 0;
    return Math.max(0, Date.now() - Date.parse(startedAt));
  }

  /** Fetches everything known about the sandbox. */
  async getInfo(): Promise<SandboxInfo> {
    return this.#learn(await this.#sandboxes.get(this.id));
  }

  getStats(): Promise<SandboxStats> {
    return this.#sandboxes.stats(this.id);
  }

  /**
   * Returns the last bytes of the guest's console and of the VMM's log. The guest writes the console, so it may contain
   * anything. `note` says why it is empty.
   */
  getLogs(options: { readonly bytes?: number } = {}): Promise<SandboxLogs> {
    return this.#sandboxes.logs(this.id, options);
  }

  /**
   * Boots a stopped sandbox again from its own disk, on another hypervisor if one is named. False when it was already
   * running.
   * @throws NovaError `invalid_state` when it is running on a hypervisor other than the one named
   */
  start(options: CallOptions & { readonly hypervisor?: HypervisorName | 'auto' | undefined } = {}): Promise<boolean> {
    const { signal, onProgress, hypervisor } = options;
    return this.#change('running', () => this.#sandboxes.start(this.id, { signal, progress: onProgress, hypervisor }));
  }

  /**
   * Stops the sandbox; its disk remains, and `start` boots it again. Without `force` the guest is asked first. False
   * when it was not running.
   */
  stop(options: { readonly force?: boolean; readonly graceMs?: number } = {}): Promise<boolean> {
    return this.#change('stopped', () => this.#sandboxes.stop(this.id, options));
  }

  /** Freezes the sandbox, which keeps its memory but then uses no CPU. False when it was already paused. */
  pause(): Promise<boolean> {
    return this.#change('paused', () => this.#sandboxes.pause(this.id));
  }

  /**
   * Writes memory and disk to the host's disk and ends the machine: the sandbox uses neither memory nor CPU until
   * `resume` lets it go on where it was. `memory: false` keeps the disk alone, from which it boots then. A sandbox that
   * was made to be removed when it stops stays too. False when it was already hibernated.
   * @throws NovaError `feature_unsupported` where the hypervisor cannot write the memory of a running guest
   */
  hibernate(options: { readonly memory?: boolean; readonly signal?: AbortSignal | undefined } = {}): Promise<boolean> {
    const { signal, ...how } = options;
    return this.#change('hibernated', () => this.#sandboxes.hibernate(this.id, how, { signal }));
  }

  /**
   * Lets a paused or hibernated sandbox go on where it was. False when it was running. Where the memory of a hibernated
   * one cannot be used any more, or with `memory: false`, the sandbox boots from its disk: `metadata.bootKind` is then
   * `cold`, and `reason` of `getInfo` says why.
   */
  resume(options: CallOptions & { readonly memory?: boolean } = {}): Promise<boolean> {
    const { signal, onProgress, memory } = options;
    return this.#change('running', () => this.#sandboxes.resume(this.id, { signal, progress: onProgress, memory }));
  }

  /**
   * Takes the sandbox back to one of its snapshots, which may be named by its id or name: what it has done since is
   * lost. With memory it then runs with the processes of then, from a disk alone it boots. Commands, terminals and
   * tunnels that were connected are cut; this handle, and the sandbox's id, name and labels, stay.
   */
  async restore(snapshot: string | { readonly id: string }, options: CallOptions = {}): Promise<void> {
    const ref = typeof snapshot === 'string' ? snapshot : snapshot.id;
    const { signal, onProgress } = options;
    this.#learn(await this.scope.engine.snapshots.restore(this.id, ref, { signal, progress: onProgress }));
  }

  /** Sets the time to live from now, 0 for none. It ends as `onTimeout` of the config says, even if it is in use. */
  async setTimeout(timeoutMs: number): Promise<void> {
    this.#learn(await this.#sandboxes.setTimeout(this.id, timeoutMs));
  }

  /**
   * Renames the sandbox; the guest's host name stays the same until the next start.
   * @throws NovaError `sandbox_exists` when another sandbox has that name
   */
  async rename(name: string): Promise<void> {
    this.#learn(await this.#sandboxes.rename(this.id, name));
  }

  /**
   * Changes the number of CPUs, or adds memory, while the sandbox runs; later starts keep the new size. Memory grows in
   * steps that depend on the hypervisor. `diskSizeMb` makes the writable disk larger, with its file system, also while
   * the sandbox is stopped. Refused with `feature_unsupported` where the hypervisor cannot do it.
   */
  async resize(to: Resize, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#learn(await this.#sandboxes.resize(this.id, to, options));
  }

  /**
   * Adds a disk image of this host while the sandbox runs and mounts it at `mountPath`; the next start is without it.
   * Returns the drive's name for `removeDrive`. Refused with `feature_unsupported` over a daemon and where the
   * hypervisor cannot do it.
   */
  addDrive(drive: ExtraDriveInput, options: { readonly signal?: AbortSignal } = {}): Promise<string> {
    return this.#sandboxes.addDrive(this.id, drive, options);
  }

  /** Unmounts and removes a drive that `addDrive` has added. */
  removeDrive(name: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#sandboxes.removeDrive(this.id, name, options);
  }

  /**
   * Connects a running sandbox to the network if it was created without (`enableNetwork: false`) or has been
   * disconnected. Does nothing if it has a network. Refused with `feature_unsupported` where the hypervisor cannot do
   * it.
   */
  addNetwork(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#sandboxes.addNetwork(this.id, options);
  }

  /**
   * Removes the network, with all connections, while the sandbox runs. The next start is as the sandbox was created.
   */
  removeNetwork(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#sandboxes.removeNetwork(this.id, options);
  }

  /**
   * Changes what the sandbox may reach: `none`, `all`, or a policy itself. While the sandbox runs, connections that it
   * may not have any more end.
   */
  async setPolicy(policy: PolicyChoiceInput, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#learn(await this.scope.engine.sandboxes.setPolicy(this.id, policy, options));
  }

  /**
   * The secrets of the sandbox. `set` gives it one, also while it runs, or another value for one that it has, whose
   * placeholder stays. `remove` forgets the value, ends the requests that have it, and has the placeholder refused.
   * `list` tells all but the values.
   */
  readonly secrets = {
    set: (
      name: string,
      settings: SecretSettingsInput,
      options: { readonly signal?: AbortSignal } = {},
    ): Promise<SecretInfo> => this.#sandboxes.setSecret(this.id, name, settings, options),
    list: (): Promise<SecretInfo[]> => this.#sandboxes.secrets(this.id),
    remove: (name: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> =>
      this.#sandboxes.removeSecret(this.id, name, options),
  };

  /**
   * Yields the latest decisions of the sandbox's network policy, oldest first, or its denials alone. `follow` goes on
   * with new ones; it works on the host itself alone.
   */
  async *decisions(
    options: { readonly denied?: boolean; readonly follow?: boolean; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<Decision> {
    yield* await this.scope.engine.sandboxes.decisions(this.id, options);
  }

  /** Yields this sandbox's events until it is removed; see `Sandbox.events`. */
  events(
    options: Omit<EventFilter, 'sandbox'> & { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncIterable<SandboxEvent> {
    const { signal, ...filter } = options;
    return this.scope.engine.events({ ...filter, sandbox: this.id }, { signal });
  }

  /** Connects to a TCP port of the guest, including ports that listen on its loopback only. */
  tunnel(port: number, options: { readonly signal?: AbortSignal } = {}): Promise<Duplex> {
    return this.scope.engine.files.tunnel(this.id, port, options);
  }

  /** Removes the sandbox with its disk and closes the handle. False when it was already gone. */
  async kill(): Promise<boolean> {
    if (this.scope.closed) return false;
    this.#watching.abort();
    let wasThere = true;
    try {
      await this.#sandboxes.remove(this.id, { force: true });
    } catch (error) {
      // A sandbox that could not be removed still exists and can be killed again.
      if (!isNovaError(error, 'sandbox_not_found')) throw error;
      wasThere = false;
    }
    this.#owned = false;
    this.#info = { ...this.#info, state: 'stopped' };
    await this.scope.close();
    return wasThere;
  }

  /** Closes the handle and leaves the sandbox as it is. */
  async disconnect(): Promise<void> {
    this.#owned = false;
    this.#watching.abort();
    await this.scope.close();
  }

  /** Disposing a handle from `create` removes its sandbox; a handle from `connect` leaves it. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#owned) await this.kill();
    } finally {
      await this.disconnect();
    }
  }

  get #sandboxes(): SandboxService {
    return this.scope.engine.sandboxes;
  }

  async #change(to: SandboxState, call: () => Promise<SandboxInfo>): Promise<boolean> {
    const before = await this.getInfo();
    this.#learn(await call());
    return before.state !== to;
  }

  #learn(info: SandboxInfo): SandboxInfo {
    this.#info = info;
    this.#watchExit();
    return info;
  }

  /** Learns of an end that nobody asked for, so that `state` and `isRunning` stay true. */
  #watchExit(): void {
    const { signal } = this.#watching;
    if (this.#isWatched || signal.aborted || !hasMachine(this.#info.state)) return;
    this.#isWatched = true;
    this.#sandboxes.exited(this.id, { signal }).then(
      (info) => {
        this.#isWatched = false;
        // It may have been started again in the meantime.
        if (info.startedAt === this.#info.startedAt) this.#info = info;
      },
      () => {
        this.#isWatched = false;
      },
    );
  }
}
