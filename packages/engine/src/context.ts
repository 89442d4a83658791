import type { HypervisorName } from '@novasandbox/protocol';
import type { Layout } from './layout.ts';
import type { OpenSession } from './ports/guest-agent.ts';
import type { Network } from './ports/network.ts';
import type { ImageSource } from './ports/image-source.ts';
import type { Store } from './ports/store.ts';
import type { VmmDriver } from './ports/vmm-driver.ts';
import type { Links } from './sandbox/links.ts';

/** What the services work with, put together once (engine.ts). */
export interface EngineContext {
  readonly layout: Layout;
  readonly store: Store;
  readonly images: ImageSource;
  readonly drivers: ReadonlyMap<HypervisorName, VmmDriver>;
  readonly openSession: OpenSession;
  readonly links: Links;
  readonly network: Network;
  /** Ids of sandboxes that a call of this process is about to stop or remove. */
  readonly ending: Set<string>;
}
