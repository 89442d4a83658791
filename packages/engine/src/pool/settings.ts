import type { SandboxConfig } from '@novasandbox/protocol';

/** How many clones an engine keeps ready. */
export interface PoolSettings {
  /** `auto`: one for each sandbox in `ready`, and as many as recent demand needs of any shape; or that many of each. */
  readonly size: 'auto' | number;
  /** The most clones in all. */
  readonly max: number;
  /** The sandboxes that clones are kept ready for without any demand. */
  readonly ready: readonly SandboxConfig[];
}
