import type { Engine } from '@novasandbox/engine/services';

/** An address that opens one port of a sandbox. */
export interface OpenedPort {
  readonly url: string;
  readonly expiresAt: string;
}

/** All that the tools act on: sandboxes as one caller may see and use them. */
export interface ToolHost {
  readonly engine: Pick<Engine, 'sandboxes' | 'exec' | 'files' | 'snapshots'>;
  /** Opens a port of a sandbox to whoever has the address; null where there is no daemon that would serve it. */
  readonly openPort: ((sandbox: string, port: number) => Promise<OpenedPort>) | null;
  /** Called with each sandbox that a tool has made. */
  readonly made?: (sandbox: MadeSandbox) => void;
  /** Called with the id or name of the sandbox that a tool is about to use. */
  readonly used?: (ref: string) => void;
}

export interface MadeSandbox {
  readonly id: string;
  readonly name: string | null;
  /** How long it lives from its last use, ms. */
  readonly lifetimeMs: number;
}
