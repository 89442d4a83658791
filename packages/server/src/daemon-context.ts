import type { Layout, LocalEngine } from '@novasandbox/engine';
import type { Keys } from './auth/keys.ts';
import type { Tickets } from './auth/tickets.ts';
import type { Users } from './auth/users.ts';
import type { Events, ServerContext, Services } from './context.ts';
import type { Forwards } from './forwards/forwards.ts';
import type { Idempotency } from './idempotency/idempotency.ts';
import type { Measurements } from './metrics/measurements.ts';
import type { ServerMetrics } from './metrics/metrics.ts';
import type { Idle } from './observe/idle.ts';
import type { Limits } from './observe/limits.ts';
import type { Previews } from './previews/previews.ts';
import type { Roster } from './observe/roster.ts';
import type { ServerStore } from './store/server-store.ts';

/** All parts of the daemon. */
export interface DaemonContext extends ServerContext {
  /** The engine as the daemon itself sees it, with limits and events, for what it does of its own accord. */
  readonly engine: Services;
  /** The engine without limits and events, for internal reads, which must not keep a VM from being idle. */
  readonly quietEngine: LocalEngine;
  readonly events: Events;
  readonly layout: Layout;
  readonly store: ServerStore;
  readonly keys: Keys;
  readonly users: Users;
  readonly tickets: Tickets;
  readonly idle: Idle;
  readonly forwards: Forwards;
  readonly previews: Previews;
  /** The port that the daemon listens on; null before it listens. */
  readonly listening: { port: number | null };
  readonly roster: Roster;
  readonly limits: Limits;
  readonly idempotency: Idempotency;
  readonly metrics: ServerMetrics;
  readonly measurements: Measurements;
  readonly startedAtMs: number;
}

/** The parts that routes work with. They reach sandboxes and events only through the caller's view. */
export interface RouteContext extends Omit<DaemonContext, 'engine' | 'quietEngine' | 'events' | 'roster'> {
  /** The services of the engine that are about the host and shared by all callers. */
  readonly quietEngine: Pick<LocalEngine, 'hypervisors' | 'templates' | 'drivers'>;
}
