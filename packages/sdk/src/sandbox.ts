import { isNovaError, toNovaError } from '@novasandbox/protocol';
import type {
  ContinuedConfigInput,
  ForkInput,
  ForkResult,
  SandboxConfig,
  SandboxConfigInput,
  SandboxEvent,
  SandboxInfo,
  TakeSnapshotInput,
} from '@novasandbox/protocol';
import type { ByteSource, EventFilter, SandboxFilter, SnapshotFilter } from '@novasandbox/engine/services';
import { Commands } from './commands/commands.ts';
import { leaseEngine, splitConnection, withEngine, type ConnectionOptions, type EngineLease } from './connection.ts';
import { Files } from './files/files.ts';
import { Ports } from './ports/ports.ts';
import { Pty } from './pty/pty.ts';
import { SandboxLife, type CallOptions } from './sandbox-life.ts';
import { workspaceOf, type Workspace } from '#workspace';
import { SandboxScope } from './sandbox-scope.ts';
import { allOrNone, undone, type Forked, type Removable } from './snapshots/fork.ts';
import { readFrom } from './snapshots/host-file.ts';
import { race, type RaceOptions, type RaceResult } from './snapshots/race.ts';
import { SnapshotRecord } from './snapshots/snapshot-record.ts';

export interface CreateOptions extends SandboxConfigInput, ConnectionOptions, CallOptions {}

/** The settings that the children of a fork have of their own. */
export interface ForkOptions extends Omit<ForkInput, 'count'>, CallOptions {}

/**
 * A sandbox: a microVM with a kernel, a disk and an agent of its own.
 *
 *     await using sandbox = await Sandbox.create({ templateId: 'base' });
 *     const { stdout } = await sandbox.commands.run('uname -r');
 *
 * A handle of a sandbox that it has made (`create`, `fork` and the like) owns it: disposing removes the sandbox. A
 * handle from `connect` does not: disposing it leaves the sandbox running. `disconnect` closes either handle without
 * touching the sandbox.
 */
export class Sandbox extends SandboxLife {
  readonly commands: Commands;
  readonly files: Files;
  readonly pty: Pty;
  readonly ports: Ports;
  #workspace: Workspace | undefined;
  /** The configuration it was created with, defaults filled in. */
  readonly config: SandboxConfig;

  private constructor(scope: SandboxScope, info: SandboxInfo, config: SandboxConfig, owned: boolean) {
    super(scope, info, owned);
    this.config = config;
    this.commands = new Commands(scope);
    this.files = new Files(scope);
    this.pty = new Pty(scope);
    this.ports = new Ports(scope);
  }

  /** Creates a sandbox and resolves when it answers. The handle owns it: disposing removes it. */
  static async create(options: CreateOptions = {}): Promise<Sandbox> {
    const [connection, { signal, onProgress, ...config }] = splitConnection(options);
    const lease = await leaseEngine(connection);
    return Sandbox.#open(lease, true, () => lease.engine.sandboxes.create(config, { signal, progress: onProgress }));
  }

  /**
   * Opens a handle on an existing sandbox, by id, unique beginning of an id, or name. Disposing leaves the sandbox
   * running.
   */
  static async connect(ref: string, options: ConnectionOptions = {}): Promise<Sandbox> {
    const lease = await leaseEngine(options);
    return Sandbox.#open(lease, false, () => lease.engine.sandboxes.get(ref));
  }

  /**
   * Lists the sandboxes of this host or, over a daemon, those that the key may see. Without `all`, only running, paused
   * and stopping ones are listed.
   */
  static list(options: SandboxFilter & ConnectionOptions = {}): Promise<SandboxInfo[]> {
    const [connection, filter] = splitConnection(options);
    return withEngine(connection, (opened) => opened.sandboxes.list(filter));
  }

  /** Removes a sandbox, whatever its state. False when it does not exist. */
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

  /**
   * Yields events of sandboxes, from now on or since an event or a time, until the iteration is left or `signal`
   * aborts. A daemon also reports commands and keeps the newest events. Without a daemon, changes are reported as they
   * are seen, and no events are kept.
   */
  static async *events(
    options: EventFilter & ConnectionOptions & { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<SandboxEvent, void, undefined> {
    const [connection, { signal, ...filter }] = splitConnection(options);
    const lease = await leaseEngine(connection);
    try {
      yield* lease.engine.events(filter, { signal });
    } finally {
      await lease.release();
    }
  }

  /**
   * Makes a sandbox that goes on from a snapshot, as `snapshot.createSandbox` does; `ref` is the snapshot's id, a
   * unique beginning of it, or its name.
   */
  static async fromSnapshot(
    ref: string,
    options: ContinuedConfigInput & CallOptions & ConnectionOptions = {},
  ): Promise<Sandbox> {
    const [connection, { signal, onProgress, ...config }] = splitConnection(options);
    const lease = await leaseEngine(connection);
    return Sandbox.#open(lease, true, () =>
      lease.engine.snapshots.create(ref, config, { signal, progress: onProgress }),
    );
  }

  static async #open(lease: EngineLease, owned: boolean, find: () => Promise<SandboxInfo>): Promise<Sandbox> {
    const { sandboxes } = lease.engine;
    let made: Removable[] = [];
    try {
      const info = await find();
      const { id } = info;
      if (owned) made = [{ id, kill: () => sandboxes.remove(id, { force: true }) }];
      const config = await sandboxes.config(id);
      return new Sandbox(new SandboxScope(id, lease), info, config, owned);
    } catch (error) {
      const told = await undone(error, made);
      await lease.release();
      throw told;
    }
  }

  /**
   * Takes a snapshot; the sandbox goes on as it was. It holds memory, devices and disk of one instant; with `memory:
   * false`, and of a stopped sandbox, the disk alone. It stays until `snapshot.remove()`, also when the sandbox has
   * gone. Refused with `feature_unsupported` where the hypervisor cannot do it.
   */
  async snapshot(options: TakeSnapshotInput & CallOptions = {}): Promise<Snapshot> {
    const { signal, onProgress, ...how } = options;
    const { connection } = this.scope;
    const context = { signal, progress: onProgress };
    const info = await withEngine(connection, ({ snapshots }) => snapshots.take(this.id, how, context));
    return new Snapshot(info, connection);
  }

  /** A folder of this host that is worked on in the sandbox. The package `@novasandbox/client` does not have it. */
  get workspace(): Workspace {
    return (this.#workspace ??= workspaceOf(this.scope));
  }

  /** The snapshots that were taken of this sandbox, oldest first. */
  async snapshots(): Promise<Snapshot[]> {
    return Snapshot.list({ ...this.scope.connection, sandbox: this.id });
  }

  /**
   * Makes running children of this running sandbox, all from one instant: with its memory, processes and files, and an
   * identity of their own. The sandbox itself goes on. Without `count` it resolves to one child, with it to a list.
   * Each handle owns its child. If one of them cannot be made, none is left; `forkSettled` keeps the others.
   */
  fork(options: ForkOptions & { readonly count: number }): Promise<Sandbox[]>;
  fork(options?: ForkOptions): Promise<Sandbox>;
  async fork({ count, ...options }: ForkOptions & { readonly count?: number } = {}): Promise<Sandbox | Sandbox[]> {
    const children = await allOrNone(await this.forkSettled({ ...options, count: count ?? 1 }));
    return count === undefined ? (children[0] as Sandbox) : children;
  }

  /** The same, but resolves to each child or the error for which there is none. */
  async forkSettled(options: ForkOptions & { readonly count: number }): Promise<Forked<Sandbox>[]> {
    const { signal, onProgress, ...how } = options;
    const { connection } = this.scope;
    const open = async ({ sandbox, error }: ForkResult): Promise<Forked<Sandbox>> => {
      try {
        if (sandbox === null) throw error;
        const child = await Sandbox.#open(await leaseEngine(connection), true, async () => sandbox);
        return { sandbox: child, error: null };
      } catch (failure) {
        return { sandbox: null, error: toNovaError(failure) };
      }
    };
    return withEngine(connection, async ({ snapshots }) => {
      const forks = await snapshots.fork(this.id, how, { signal, progress: onProgress });
      return Promise.all(forks.map(open));
    });
  }

  /**
   * Forks this sandbox, runs `run` in each child, and keeps the child whose result has the highest score. The others
   * are removed, as are all if the race is cancelled or no branch comes to a score.
   *
   *     await using best = await sandbox.race({
   *       count: 3,
   *       run: (child, index) => child.commands.run(`./solve --seed ${index}`),
   *       score: ({ stdout }) => Number(stdout),
   *     });
   *     await best.sandbox.files.read('solution');
   *
   * @throws AggregateError with the error of each branch when none comes to a score
   */
  race<T>(
    options: Omit<ForkOptions, 'timeoutMs' | 'signal'> & RaceOptions<Sandbox, T> & { readonly count: number },
  ): Promise<RaceResult<Sandbox, T>> {
    const { run, score, until, timeoutMs, signal, ...how } = options;
    const branches = { run, score, until, timeoutMs, signal };
    return race((cancelled) => this.forkSettled({ ...how, signal: cancelled }), branches);
  }

  /** Runs a shell command and returns its stdout; throws a CommandError when it fails. */
  async executeCommand(command: string): Promise<string> {
    return (await this.commands.run(command)).stdout;
  }
}

/**
 * A snapshot of a sandbox, which needs neither the sandbox nor the engine to stay open.
 *
 *     const snapshot = await sandbox.snapshot({ name: 'installed' });
 *     await using again = await snapshot.createSandbox();
 */
export class Snapshot extends SnapshotRecord {
  /**
   * Finds a snapshot by its id, a unique beginning of it, or its name. A name that snapshots of several sandboxes have
   * throws `conflict`, unless `sandbox` gives the id of the one it was taken of.
   */
  static async get(ref: string, options: { readonly sandbox?: string } & ConnectionOptions = {}): Promise<Snapshot> {
    const [connection, { sandbox }] = splitConnection(options);
    const found = await withEngine(connection, ({ snapshots }) => snapshots.get(ref, undefined, sandbox));
    return new Snapshot(found, connection);
  }

  /** Lists snapshots, oldest first. */
  static async list(options: SnapshotFilter & ConnectionOptions = {}): Promise<Snapshot[]> {
    const [connection, filter] = splitConnection(options);
    const found = await withEngine(connection, ({ snapshots }) => snapshots.list(filter));
    return found.map((info) => new Snapshot(info, connection));
  }

  /**
   * Reads a file that `save` has written, or its bytes, and checks all of it before it keeps any. The snapshot gets an
   * id of its own; `name` replaces its name.
   */
  static async load(
    source: string | ByteSource,
    options: { readonly name?: string; readonly signal?: AbortSignal } & ConnectionOptions = {},
  ): Promise<Snapshot> {
    const [connection, { name, signal }] = splitConnection(options);
    const bytes = typeof source === 'string' ? readFrom(source) : source;
    const info = await withEngine(connection, ({ snapshots }) => snapshots.load(bytes, { name }, { signal }));
    return new Snapshot(info, connection);
  }

  /** Makes a sandbox that goes on from the snapshot, any number of times. The handle owns it: disposing removes it. */
  createSandbox(options: ContinuedConfigInput & CallOptions = {}): Promise<Sandbox> {
    return Sandbox.fromSnapshot(this.id, { ...options, ...this.connection });
  }
}
