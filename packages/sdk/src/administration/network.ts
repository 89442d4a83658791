import type { Isolation, NetworkInfo, NewNetworkInput } from '@novasandbox/protocol';
import { administrationOf } from '#administration';
import { splitConnection, withEngine, type ConnectionOptions } from '../connection.ts';

/**
 * A private network. Sandboxes that join it reach each other by address and as `<sandbox>.<network>`, and nobody else
 * reaches them by it.
 *
 *     await Network.create({ name: 'backend' });
 *     await using db = await Sandbox.create({ name: 'db', networks: ['backend'] });
 */
export class Network {
  readonly #options: ConnectionOptions;
  #info: NetworkInfo;

  private constructor(options: ConnectionOptions, info: NetworkInfo) {
    this.#options = options;
    this.#info = info;
  }

  /**
   * Makes a network. Without a subnet it gets a free one of 253 addresses for members.
   * @throws NovaError `network_exists` when its owner has another one of that name; `conflict` where its subnet
   * overlaps with that of another network
   */
  static create(options: NewNetworkInput & ConnectionOptions & { readonly signal?: AbortSignal }): Promise<Network> {
    const [connection, { signal, ...network }] = splitConnection(options);
    return Network.#from(connection, (engine) => administrationOf(engine).networks.create(network, { signal }));
  }

  /**
   * Finds a network by its id, the unique beginning of its id, or its name.
   * @throws NovaError `network_not_found`
   */
  static get(ref: string, options: ConnectionOptions = {}): Promise<Network> {
    return Network.#from(options, (engine) => administrationOf(engine).networks.get(ref));
  }

  /** Lists the networks of this host or, over a daemon, those that the key may see. */
  static list(options: ConnectionOptions = {}): Promise<NetworkInfo[]> {
    return withEngine(options, (engine) => administrationOf(engine).networks.list());
  }

  static async #from(
    options: ConnectionOptions,
    find: Parameters<typeof withEngine<NetworkInfo>>[1],
  ): Promise<Network> {
    return new Network(options, await withEngine(options, find));
  }

  get id(): string {
    return this.#info.id;
  }

  get name(): string {
    return this.#info.name;
  }

  /** Fetches everything known about the network, with its members and their addresses. */
  async getInfo(): Promise<NetworkInfo> {
    this.#info = await withEngine(this.#options, (engine) => administrationOf(engine).networks.get(this.id));
    return this.#info;
  }

  /**
   * Changes what the members may send each other, at once: `minimal` everything, `moderate` pings alone, `strict`
   * nothing.
   */
  async isolate(isolation: Isolation): Promise<NetworkInfo> {
    this.#info = await withEngine(this.#options, (engine) =>
      administrationOf(engine).networks.isolate(this.id, isolation),
    );
    return this.#info;
  }

  /**
   * Removes it.
   * @throws NovaError `network_in_use` while a sandbox is a member, running or not
   */
  remove(): Promise<void> {
    return withEngine(this.#options, (engine) => administrationOf(engine).networks.remove(this.id));
  }
}
