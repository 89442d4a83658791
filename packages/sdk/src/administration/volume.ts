import type { NewVolumeInput, VolumeInfo } from '@novasandbox/protocol';
import { administrationOf } from '#administration';
import { splitConnection, withEngine, type ConnectionOptions } from '../connection.ts';
import { Sandbox, type CreateOptions } from '../sandbox.ts';

/** Where a sandbox that is made only to open a volume has it. */
const openedAt = '/volume';
/** Such a sandbox ends by itself when nobody has prolonged its life for so long, ms: its maker was killed. */
const openedMs = 120_000;
const prolongEveryMs = 30_000;

/**
 * A volume: a disk with a name, which outlives the sandboxes that use it. One sandbox may have it to write to it, or
 * several to read it.
 *
 *     const cache = await Volume.create({ name: 'cache', sizeMb: 2048 });
 *     await using sandbox = await Sandbox.create({ volumes: [{ name: 'cache', path: '/var/cache' }] });
 */
export class Volume {
  readonly #options: ConnectionOptions;
  #info: VolumeInfo;

  private constructor(options: ConnectionOptions, info: VolumeInfo) {
    this.#options = options;
    this.#info = info;
  }

  /**
   * Creates an empty volume, by default of 1024 MiB. It takes space on the host only as it is written to.
   * @throws NovaError `volume_exists` when its owner has another one of that name
   */
  static create(options: NewVolumeInput & ConnectionOptions & { readonly signal?: AbortSignal }): Promise<Volume> {
    const [connection, { signal, ...volume }] = splitConnection(options);
    return Volume.#from(connection, (engine) => administrationOf(engine).volumes.create(volume, { signal }));
  }

  /**
   * Finds a volume by its id, the unique beginning of its id, or its name.
   * @throws NovaError `volume_not_found`
   */
  static get(ref: string, options: ConnectionOptions = {}): Promise<Volume> {
    return Volume.#from(options, (engine) => administrationOf(engine).volumes.get(ref));
  }

  /** Lists the volumes of this host or, over a daemon, those that the key may see. */
  static list(options: ConnectionOptions = {}): Promise<VolumeInfo[]> {
    return withEngine(options, (engine) => administrationOf(engine).volumes.list());
  }

  /**
   * Removes a volume with its contents. `force` also removes one that a stopped sandbox would miss at its next start.
   * @throws NovaError `volume_in_use` while a sandbox has it
   */
  static remove(ref: string, options: ConnectionOptions & { readonly force?: boolean } = {}): Promise<void> {
    const [connection, { force = false }] = splitConnection(options);
    return withEngine(connection, (engine) => administrationOf(engine).volumes.remove(ref, { force }));
  }

  static async #from(options: ConnectionOptions, find: Parameters<typeof withEngine<VolumeInfo>>[1]): Promise<Volume> {
    return new Volume(options, await withEngine(options, find));
  }

  get id(): string {
    return this.#info.id;
  }

  get name(): string {
    return this.#info.name;
  }

  /** Fetches everything known about the volume, with the sandboxes that use it. */
  async getInfo(): Promise<VolumeInfo> {
    this.#info = await withEngine(this.#options, (engine) => administrationOf(engine).volumes.get(this.id));
    return this.#info;
  }

  /** Makes it larger, with its file system. */
  async resize(sizeMb: number, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<VolumeInfo> {
    this.#info = await withEngine(this.#options, (engine) =>
      administrationOf(engine).volumes.resize(this.id, sizeMb, options),
    );
    return this.#info;
  }

  remove(options: { readonly force?: boolean } = {}): Promise<void> {
    return withEngine(this.#options, (engine) => administrationOf(engine).volumes.remove(this.id, options));
  }

  /**
   * Opens the volume to read and write its files: in a sandbox that has it, or else in a small one that is made for
   * this, without network. Disposing removes that one.
   *
   *     await using opened = await volume.open();
   *     await opened.sandbox.files.write(`${opened.path}/config.json`, '{}', { user: 'root' });
   */
  async open(options: Pick<CreateOptions, 'signal' | 'onProgress'> = {}): Promise<OpenVolume> {
    const { usedBy } = await this.getInfo();
    const use = usedBy.find(({ attached, state }) => attached && state === 'running');
    if (use !== undefined) {
      const sandbox = await Sandbox.connect(use.sandboxId, this.#options);
      return { sandbox, path: use.path, readOnly: use.readOnly, [Symbol.asyncDispose]: () => sandbox.disconnect() };
    }
    const sandbox = await Sandbox.create({
      ...this.#options,
      ...options,
      volumes: [{ name: this.id, path: openedAt }],
      enableNetwork: false,
      ephemeral: true,
      timeoutMs: openedMs,
    });
    const prolonging = setInterval(() => {
      // Where this fails, the next call to the sandbox fails too, and tells why.
      sandbox.setTimeout(openedMs).catch(() => undefined);
    }, prolongEveryMs).unref();
    return {
      sandbox,
      path: openedAt,
      readOnly: false,
      async [Symbol.asyncDispose]() {
        clearInterval(prolonging);
        await sandbox[Symbol.asyncDispose]();
      },
    };
  }
}

/** The files of a volume, in a sandbox that has it. */
export interface OpenVolume extends AsyncDisposable {
  readonly sandbox: Sandbox;
  /** Where the sandbox has the volume. */
  readonly path: string;
  readonly readOnly: boolean;
}
