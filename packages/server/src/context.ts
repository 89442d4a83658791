import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Engine } from '@novasandbox/engine';
import type { Ownership, SandboxInfo, Scope, VolumeInfo } from '@novasandbox/protocol';
import type { NovaEvent, Permission, Role } from '@novasandbox/protocol/api';
import type { Logger } from 'pino';
import type { ServerConfig } from './config/schema.ts';
import type { Tracing } from './trace/tracing.ts';

/** The party that the engine is called for. */
export interface Caller {
  /** The owner and team of everything that the caller creates. */
  readonly ownership: Ownership;
  /** The sandboxes that the caller may act on. */
  readonly scope: Scope;
  readonly permissions: ReadonlySet<Permission>;
}

/** The authenticated sender of a request. */
export interface Principal extends Caller {
  /** `local`: over the daemon's own Unix socket, which only its owner can open. */
  readonly kind: 'key' | 'user' | 'local';
  /** Stable name for logs and limits, such as `key:<id>` or `user:<name>`. */
  readonly name: string;
  readonly role: Role;
}

/** The services that the engine offers to callers. */
export type Services = Omit<Engine, 'place' | 'hypervisors' | 'events' | 'close' | typeof Symbol.asyncDispose>;

/** The daemon as one caller may see it: requests reach sandboxes and their events only through a view. */
export interface View {
  readonly engine: Services;
  /** The sandboxes within the caller's scope, as the daemon saw them last. */
  readonly vms: () => readonly SandboxInfo[];
  readonly events: (filter: Omit<EventFilter, 'scope'>, signal: AbortSignal) => AsyncIterable<NovaEvent>;
}

/** The sandbox that an event is about. */
export interface Subject extends Ownership {
  /** null for a sandbox whose creation failed. */
  readonly id: string | null;
}

export interface Auth {
  /**
   * Reads `Authorization: Bearer <key or token>` or `X-API-Key`. Throws `unauthenticated`, with the same message for
   * every wrong credential.
   */
  authenticate(headers: IncomingHttpHeaders): Promise<Principal>;
  /** Throws `forbidden`, naming the permission, when the caller does not have it. */
  authorise(caller: Pick<Caller, 'permissions'>, permission: Permission): void;
  /** Access token of a sandbox's agent API (E2B's envdAccessToken), derived from the server's secret and not stored. */
  sandboxToken(sandboxId: string): string;
  /** Access token of a sandbox's other ports (E2B's trafficAccessToken). */
  trafficToken(sandboxId: string): string;
  /** Token of a volume's files (E2B's volume token). */
  volumeToken(volumeId: string): string;
  /** Compares in constant time. */
  matches(given: string | undefined, expected: string): boolean;
}

export interface Events {
  /** `about` is null for events of the daemon itself, which every subscriber receives. */
  emit(type: NovaEvent['type'], about: Subject | null, data?: Readonly<Record<string, unknown>>): void;
  /**
   * Yields the events within the scope from now on, or from the one after `since` as far back as events are kept. A
   * slow reader loses the oldest events and never blocks others.
   */
  subscribe(filter: EventFilter, signal: AbortSignal): AsyncIterable<NovaEvent>;
}

export interface EventFilter {
  readonly scope: Scope;
  readonly vmId?: string | undefined;
  /** Id of the last event that the client knows. */
  readonly since?: number | undefined;
  /** false: the stream ends after the events that are kept. */
  readonly follow?: boolean;
}

/** Records what keeps a sandbox from being idle: commands, terminals, tunnels and requests in progress. */
export interface Activity {
  /** Marks the sandbox busy until disposed. */
  busy(sandboxId: string): Disposable;
}

/** The shutdown of the daemon, as request handlers see it. */
export interface Drain {
  /** Throws `shutting_down` when the daemon no longer accepts new work. */
  refuse(): void;
  /** Aborts when clients are disconnected; they reconnect to the next daemon. */
  readonly leaving: AbortSignal;
  /** Delays the shutdown until disposed. */
  hold(): Disposable;
  /** Stops accepting work; resolves when no work is left or the time is over. */
  finish(ms: number): Promise<void>;
  /** Disconnects the clients; resolves when all have been notified, or after a time limit. */
  leave(): Promise<void>;
}

/** Limits the memory of request bodies, in total and per owner. */
export interface ByteBudget {
  /** Opens an account for one body; disposing it frees the bytes. `owner` is a principal, a sandbox or an address. */
  hold(owner: string): HeldBytes;
}

export interface HeldBytes extends Disposable {
  /** Throws `rate_limited` when the budget has no room for the bytes. Has no effect after disposal. */
  add(bytes: number): void;
}

/** Limits the connections of a source that has not shown valid credentials. */
export interface ConnectionLimit {
  /** Applies the limit to new connections of the server. */
  watch(server: Server): void;
  /** Valid credentials arrived on this connection, so that it no longer counts. */
  vouchFor(socket: Pick<Socket, 'remoteAddress' | 'remotePort'>): void;
}

/** A preview address that a request may use. */
export interface OpenPreview {
  readonly id: string;
  readonly expiresAtMs: number;
  /** The guest gets `localhost:<port>` as Host. */
  readonly rewriteHost: boolean;
}

/** Lets visitors of preview addresses in. */
export interface PreviewDoor {
  /** The preview of a port that the token opens; null where it opens none, or none any more. */
  openedBy(token: string, vmId: string, port: number): OpenPreview | null;
  /** Ends the connection when the preview ends, until disposed. */
  hold(preview: OpenPreview, connection: Duplex): Disposable;
}

/** Returns the id of a request. */
export type RequestIds = (request: Pick<IncomingMessage, 'headers'>) => string;

/**
 * The parts that REST, E2B's API and the proxy share, assembled once in compose.ts. The engine is not among them: each
 * caller reaches it through a view.
 */
export interface ServerContext {
  readonly viewOf: (caller: Caller) => View;
  readonly config: ServerConfig;
  readonly auth: Auth;
  readonly activity: Activity;
  /** Counts the request bodies in memory, whichever API they came through. */
  readonly bodies: ByteBudget;
  readonly log: Logger;
  readonly tracing: Tracing;
  readonly drain: Drain;
  readonly connections: ConnectionLimit;
  readonly requestIdOf: RequestIds;
  /** Opens volumes for requests that read and write their files. */
  readonly volumes: VolumeDesk;
  readonly previews: PreviewDoor;
}

/** The parts that one request works with: the shared parts and the view of its caller. */
export interface CallerContext extends ServerContext, View {}

export const seenBy = (context: ServerContext, caller: Caller): CallerContext => ({
  ...context,
  ...context.viewOf(caller),
});

/** A sandbox that has the volume, and where. Disposing gives it back. */
export interface OpenedVolume extends AsyncDisposable {
  /** The engine as the owner of the volume may use it. */
  readonly engine: Services;
  readonly sandboxId: string;
  readonly root: string;
}

/**
 * Opens volumes for requests that read and write their files: in a sandbox that has the volume, or else in a small one
 * that is made for this and stays a moment for the next request. It never keeps anybody else from the volume.
 */
export interface VolumeDesk {
  open(volume: VolumeInfo): Promise<OpenedVolume>;
  /** Gives volumes back, named by name or id, because somebody else wants them. */
  letGo(names: readonly string[]): Promise<void>;
  /** Removes all sandboxes that were made here. */
  close(): Promise<void>;
}
