import type { IncomingHttpHeaders } from 'node:http';
import type { Engine } from '@novasandbox/engine';
import type { NovaEvent, Permission, Role } from '@novasandbox/protocol/api';
import type { Logger } from 'pino';
import type { ServerConfig } from './config/schema.ts';
import type { Tracing } from './trace/tracing.ts';

/** Who a request comes from, once its credentials have been checked. */
export interface Principal {
  /** `local`: over the daemon's own Unix socket, which only its owner can open. */
  readonly kind: 'key' | 'user' | 'local';
  /** Stable name for logs and limits: key id or user name. */
  readonly name: string;
  readonly role: Role;
  readonly permissions: ReadonlySet<Permission>;
}

export interface Auth {
  /** From `Authorization: Bearer <key or token>` or `X-API-Key`. Throws `unauthenticated`; the same for every wrong credential. */
  authenticate(headers: IncomingHttpHeaders): Promise<Principal>;
  /** Throws `forbidden` naming the permission. */
  authorise(principal: Principal, permission: Permission): void;
  /** Access token of a sandbox's agent API (E2B's envdAccessToken), derived from the server's secret: nothing is stored. */
  sandboxToken(sandboxId: string): string;
  /** Access token of a sandbox's other ports (E2B's trafficAccessToken). */
  trafficToken(sandboxId: string): string;
  /** Compares in constant time. */
  matches(given: string | undefined, expected: string): boolean;
}

export interface Events {
  emit(type: NovaEvent['type'], vmId: string | null, data?: Readonly<Record<string, unknown>>): void;
  /** Events from now on, or from the one after `since` as far as they are kept. A slow reader loses the oldest, never blocks others. */
  subscribe(filter: { readonly vmId?: string; readonly since?: number }, signal: AbortSignal): AsyncIterable<NovaEvent>;
}

/** What keeps a sandbox from being idle: commands, terminals, tunnels and requests while they last. */
export interface Activity {
  /** Marks the sandbox busy until disposed. */
  busy(sandboxId: string): Disposable;
}

/** The memory that bodies may take up together, and those of one owner. */
export interface ByteBudget {
  /** Opens an account for one body, until disposed. `owner`: a principal, a sandbox or an address. */
  hold(owner: string): HeldBytes;
}

export interface HeldBytes extends Disposable {
  /** Throws `rate_limited` where there is no room for so many more. After the end nothing counts. */
  add(bytes: number): void;
}

/** What every route works with, put together once (serve.ts). */
export interface ServerContext {
  readonly engine: Engine;
  readonly config: ServerConfig;
  readonly auth: Auth;
  readonly events: Events;
  readonly activity: Activity;
  /** Bodies that are held in memory, of all ways in. */
  readonly bodies: ByteBudget;
  readonly log: Logger;
  readonly tracing: Tracing;
}
