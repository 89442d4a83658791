import type { Collected, StorageUsage } from '@novasandbox/protocol';
import { administrationOf } from '#administration';
import { withEngine, type ConnectionOptions } from '../connection.ts';

/**
 * The space that NovaSandbox takes on the host's disk. A daemon tells only its admin.
 *
 *     const { reclaimable } = await new Storage().usage();
 *     if (reclaimable > 10 * 2 ** 30) await new Storage().collect();
 */
export class Storage {
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions = {}) {
    this.#options = options;
  }

  /** The space of each kind of thing, in bytes on the disk, and how much of it nobody needs. */
  usage(options: { readonly signal?: AbortSignal } = {}): Promise<StorageUsage> {
    return withEngine(this.#options, (engine) => administrationOf(engine).storage.usage(options));
  }

  /**
   * Removes what no template, sandbox or snapshot needs. `dryRun` only reports it; `all` also removes what somebody
   * might still want, such as files of sandboxes whose records were lost.
   */
  collect(
    options: { readonly dryRun?: boolean; readonly all?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<Collected> {
    const { signal, ...how } = options;
    return withEngine(this.#options, (engine) => administrationOf(engine).storage.collect(how, { signal }));
  }
}
