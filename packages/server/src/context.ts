import type { IncomingHttpHeaders } from 'node:http';
import type { Engine } from '@novasandbox/engine';
import type { Ownership, SandboxInfo, Scope } from '@novasandbox/protocol';
import type { NovaEvent, Permission, Role } from '@novasandbox/protocol/api';
import type { Logger } from 'pino';
import type { ServerConfig } from './config/schema.ts';
import type { Tracing } from './trace/tracing.ts';

/** On whose behalf the engine is called. */
export interface Caller {
  /** The owner and team of everything that it makes. */
  readonly ownership: Ownership;
  /** The things that it may act on. */
  readonly scope: Scope;
  readonly permissions: ReadonlySet<Permission>;
}

/** Who a request comes from, once its credentials have been checked. */
export interface Principal extends Caller {
  /** `local`: over the daemon's own Unix socket, which only its owner can open. */
  readonly kind: 'key' | 'user' | 'local';
  /** Stable name for logs and limits: key id or user name. */
  readonly name: string;
  readonly role: Role;
}

/** The services that the engine offers to callers. */
export type Services = Pick<Engine, 'sandboxes' | 'exec' | 'files' | 'templates'>;

/** The daemon as one caller may see it: the only way that requests have to sandboxes and what happens to them. */
export interface View {
  readonly engine: Services;
  /** The sandboxes within the caller's scope as they were last seen. */
  readonly vms: () => readonly SandboxInfo[];
  readonly events: (
    filter: { readonly vmId?: string; readonly since?: number | undefined },
    signal: AbortSignal,
  ) => AsyncIterable<NovaEvent>;
}

/** The subject of an event. */
export interface Subject extends Ownership {
  /** null: a sandbox that never came to be. */
  readonly id: string | null;
}

export interface Auth {
  /** From `Authorization: Bearer <key or token>` or `X-API-Key`. Throws `unauthenticated`; the same for every wrong credential. */
  authenticate(headers: IncomingHttpHeaders): Promise<Principal>;
  /** Throws `forbidden` naming the permission. */
  authorise(caller: Pick<Caller, 'permissions'>, permission: Permission): void;
  /** Access token of a sandbox's agent API (E2B's envdAccessToken), derived from the server's secret: nothing is stored. */
  sandboxToken(sandboxId: string): string;
  /** Access token of a sandbox's other ports (E2B's trafficAccessToken). */
  trafficToken(sandboxId: string): string;
  /** Compares in constant time. */
  matches(given: string | undefined, expected: string): boolean;
}

export interface Events {
  /** `about` null: the daemon itself, which everybody may hear of. */
  emit(type: NovaEvent['type'], about: Subject | null, data?: Readonly<Record<string, unknown>>): void;
  /**
   * Events within the scope, from now on, or from the one after `since` as far as they are kept. A slow reader loses
   * the oldest and never blocks others.
   */
  subscribe(
    filter: { readonly scope: Scope; readonly vmId?: string; readonly since?: number | undefined },
    signal: AbortSignal,
  ): AsyncIterable<NovaEvent>;
}

/** What keeps a sandbox from being idle: commands, terminals, tunnels and requests while they last. */
export interface Activity {
  /** Marks the sandbox busy until disposed. */
  busy(sandboxId: string): Disposable;
}

/** The end of the daemon, as those see it who work for its clients. */
export interface Drain {
  /** Throws `shutting_down` once no new work is taken. */
  refuse(): void;
  /** Aborted when clients are sent away, to come back to the daemon that follows. */
  readonly leaving: AbortSignal;
  /** Work that the end waits for, until disposed. */
  hold(): Disposable;
  /** No new work; resolves when none is left, or its time is over. */
  finish(ms: number): Promise<void>;
  /** Sends clients away; resolves when all have been told, or have not listened for too long. */
  leave(): Promise<void>;
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

/**
 * The parts that every way in works with, put together once (compose.ts). No engine is among them: each caller has a
 * view.
 */
export interface ServerContext {
  readonly viewOf: (caller: Caller) => View;
  readonly config: ServerConfig;
  readonly auth: Auth;
  readonly activity: Activity;
  /** Bodies that are held in memory, of all ways in. */
  readonly bodies: ByteBudget;
  readonly log: Logger;
  readonly tracing: Tracing;
  readonly drain: Drain;
}

/** The parts that one request works with: the daemon as its caller may see it. */
export interface CallerContext extends ServerContext, View {}

export const seenBy = (context: ServerContext, caller: Caller): CallerContext => ({
  ...context,
  ...context.viewOf(caller),
});
