import type { HypervisorName, PolicyChoice } from '@novasandbox/protocol';
import type { Layout } from './layout.ts';
import type { OpenSession } from './ports/guest-agent.ts';
import type { Links } from './ports/guest-links.ts';
import type { Network } from './ports/network.ts';
import type { ImageSource } from './ports/image-source.ts';
import type { Store } from './ports/store.ts';
import type { VmmDriver } from './ports/vmm-driver.ts';
import type { Wakings } from './ports/wakings.ts';
import type { WarmPool } from './ports/warm-pool.ts';
import type { Seals } from './ports/seals.ts';

/** The dependencies of the services, put together once (engine.ts). */
export interface EngineContext {
  readonly layout: Layout;
  readonly store: Store;
  readonly images: ImageSource;
  readonly drivers: ReadonlyMap<HypervisorName, VmmDriver>;
  readonly openSession: OpenSession;
  readonly links: Links;
  readonly network: Network;
  readonly seals: Seals;
  readonly wakings: Wakings;
  readonly pool: WarmPool;
  /** Of new sandboxes that name none; undefined: `all`. */
  readonly defaultPolicy: PolicyChoice | undefined;
}
