import type { Engine, Layout } from '@novasandbox/engine';
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
import type { Roster } from './observe/roster.ts';
import type { ServerStore } from './store/server-store.ts';

/** All parts of the daemon. */
export interface DaemonContext extends ServerContext {
  /** The engine with limits and events, for what the daemon does of its own accord. */
  readonly engine: Services;
  /** The engine without limits and events: for the daemon's own looks, which must not keep a VM from being idle. */
  readonly quietEngine: Engine;
  readonly events: Events;
  readonly layout: Layout;
  readonly store: ServerStore;
  readonly keys: Keys;
  readonly users: Users;
  readonly tickets: Tickets;
  readonly idle: Idle;
  readonly forwards: Forwards;
  readonly roster: Roster;
  readonly limits: Limits;
  readonly idempotency: Idempotency;
  readonly metrics: ServerMetrics;
  readonly measurements: Measurements;
  readonly startedAtMs: number;
}

/** The parts that routes work with: sandboxes and their events are reached through the caller's view alone. */
export interface RouteContext extends Omit<DaemonContext, 'engine' | 'quietEngine' | 'events' | 'roster'> {
  /** The part of the engine that is the host's, and there for all. */
  readonly quietEngine: Pick<Engine, 'hypervisors' | 'templates'>;
}
