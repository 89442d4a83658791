import { existsSync } from 'node:fs';
import type { Engine, Layout } from '@novasandbox/engine';
import type { Logger } from 'pino';
import { createAuth } from './auth/auth.ts';
import { createKeys } from './auth/keys.ts';
import { createLockout } from './auth/lockout.ts';
import { newSecret, secretFile, writeSecret } from './auth/secrets.ts';
import { createTickets } from './auth/tickets.ts';
import { createUsers } from './auth/users.ts';
import { createViews } from './authority/view.ts';
import type { ServerConfig } from './config/schema.ts';
import type { DaemonContext } from './daemon-context.ts';
import { createDrain } from './drain.ts';
import { createForwards, type Forwards } from './forwards/forwards.ts';
import { createByteBudget } from './bodies/byte-budget.ts';
import { createIdempotency } from './idempotency/idempotency.ts';
import { createMeasurements } from './metrics/measurements.ts';
import { createMetrics } from './metrics/metrics.ts';
import { createActivity } from './observe/activity.ts';
import { observedEngine } from './observe/engine.ts';
import { createEvents } from './observe/events.ts';
import { createIdle, type Idle } from './observe/idle.ts';
import { createLimits } from './observe/limits.ts';
import { createRoster } from './observe/roster.ts';
import type { ServerStore } from './store/server-store.ts';
import type { Tracing } from './trace/tracing.ts';

export interface Parts {
  readonly config: ServerConfig;
  readonly layout: Layout;
  readonly store: ServerStore;
  readonly engine: Engine;
  readonly log: Logger;
  readonly tracing: Tracing;
}

/** So many of the largest bodies may be held at once. */
const bodyShares = 4;

/** Puts the daemon's parts together, once. */
export function createDaemonContext({
  config,
  layout,
  store,
  engine: quietEngine,
  log,
  tracing,
}: Parts): DaemonContext {
  const { security, resources, monitoring } = config;
  const secret = secretFile(layout.daemon.secretFile, newSecret);
  const keys = createKeys(store);
  keys.setAdmin(adminKey(layout.daemon.keyFile, security.api_key));
  const lockout = createLockout(store, security.login_attempts, security.lockout_seconds * 1000);
  const users = createUsers(store, secret, lockout, security.token_seconds);

  const metrics = createMetrics();
  const events = createEvents({
    onEvent(event) {
      metrics.event(event);
      log.info({ operation: event.type, vm: event.vm_id ?? undefined, event: event.data }, 'event');
    },
  });
  const activity = createActivity();
  const parts: { idle?: Idle; forwards?: Forwards } = {};
  const roster = createRoster(quietEngine, events, (id) => {
    activity.forget(id);
    measurements.forget(id);
    parts.idle?.forget(id);
    parts.forwards?.forget(id);
  });
  const measurements = createMeasurements(quietEngine, roster, monitoring.history_samples);
  const limits = createLimits(quietEngine, config, roster);
  const engine = observedEngine({
    engine: quietEngine,
    events,
    activity,
    roster,
    limits,
    measured: metrics.measured,
  });
  const idle = createIdle({
    engine,
    quietEngine,
    store,
    activity,
    roster,
    log,
    defaultMs: resources.default_idle_timeout_seconds * 1000,
  });
  parts.idle = idle;
  // Observed: a connection keeps its VM from being idle.
  const forwards = createForwards({ engine, roster, store, log });
  parts.forwards = forwards;
  return {
    viewOf: createViews({ engine, roster, events }),
    engine,
    quietEngine,
    config,
    layout,
    store,
    log,
    tracing,
    drain: createDrain(),
    keys,
    users,
    tickets: createTickets(),
    auth: createAuth(keys, users, secret),
    events,
    activity,
    bodies: createByteBudget(bodyShares * config.server.body_limit_mb * 1024 * 1024),
    roster,
    limits,
    idle,
    forwards,
    metrics,
    measurements,
    idempotency: createIdempotency(store),
    startedAtMs: Date.now(),
  };
}

/** The admin key: the one given, else the one of the first start. The file is what the owner's own clients read. */
function adminKey(file: string, given: string | undefined): string {
  if (given !== undefined) {
    if (!existsSync(file) || secretFile(file, () => given) !== given) writeSecret(file, given);
    return given;
  }
  return secretFile(file, () => `nova_${newSecret()}`);
}
