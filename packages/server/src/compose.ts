import { existsSync } from 'node:fs';
import type { Layout, LocalEngine } from '@novasandbox/engine';
import type { Logger } from 'pino';
import { createAuth } from './auth/auth.ts';
import { createKeys } from './auth/keys.ts';
import { createLockout } from './auth/lockout.ts';
import { newSecret, secretFile, writeSecret } from './auth/secrets.ts';
import { createTickets } from './auth/tickets.ts';
import { createUsers } from './auth/users.ts';
import { system } from './authority/callers.ts';
import { createViews } from './authority/view.ts';
import type { ServerConfig } from './config/schema.ts';
import type { VolumeDesk } from './context.ts';
import type { DaemonContext } from './daemon-context.ts';
import { createDrain } from './drain.ts';
import { createForwards, type Forwards } from './forwards/forwards.ts';
import { createByteBudget } from './bodies/byte-budget.ts';
import { createConnectionLimit } from './http/connection-limit.ts';
import { createRequestIds } from './http/request-id.ts';
import { createIdempotency } from './idempotency/idempotency.ts';
import { createMeasurements } from './metrics/measurements.ts';
import { createMetrics } from './metrics/metrics.ts';
import { createActivity } from './observe/activity.ts';
import { observedEngine } from './observe/engine.ts';
import { createEvents } from './observe/events.ts';
import { createGuestWork } from './observe/guest-work.ts';
import { createIdle, type Idle } from './observe/idle.ts';
import { createLimits } from './observe/limits.ts';
import { observeNetwork } from './observe/network.ts';
import { observePool } from './observe/pool.ts';
import { createRoster } from './observe/roster.ts';
import { createPreviews } from './previews/previews.ts';
import type { ServerStore } from './store/server-store.ts';
import type { Tracing } from './trace/tracing.ts';
import { createVolumeDesk } from './volumes/desk.ts';

export interface Parts {
  readonly config: ServerConfig;
  readonly layout: Layout;
  readonly store: ServerStore;
  readonly engine: LocalEngine;
  readonly log: Logger;
  readonly tracing: Tracing;
}

/** How many bodies of the largest size may be in memory at once. */
const bodyShares = 4;

/** Assembles the parts of the daemon. */
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
  observePool(quietEngine, events, (event) => metrics.pooled(event));
  observeNetwork(quietEngine, events, (event) => metrics.network(event));
  const activity = createActivity();
  const parts: { idle?: Idle; forwards?: Forwards; volumes?: VolumeDesk } = {};
  const previews = createPreviews(store);
  const roster = createRoster(quietEngine, events, (id) => {
    activity.forget(id);
    measurements.forget(id);
    parts.idle?.forget(id);
    parts.forwards?.forget(id);
    previews.forget(id);
  });
  const measurements = createMeasurements(quietEngine, roster, monitoring.history_samples);
  const limits = createLimits(quietEngine, config, roster);
  quietEngine.admitWakings(() => {
    const place = limits.reserve();
    return (awake) => {
      if (awake !== null) roster.saw(awake);
      place[Symbol.dispose]();
    };
  });
  const viewOf = createViews({
    engine: observedEngine({
      engine: quietEngine,
      events,
      activity,
      roster,
      limits,
      measured: metrics.measured,
      letGoOfVolumes: async (names) => parts.volumes?.letGo(names),
    }),
    quietEngine,
    roster,
    events,
  });
  const volumes = createVolumeDesk(viewOf);
  parts.volumes = volumes;
  const { engine } = viewOf(system);
  const idle = createIdle({
    engine,
    quietEngine,
    guestWork: createGuestWork(quietEngine),
    store,
    activity,
    roster,
    log,
    defaultMs: resources.default_idle_timeout_seconds * 1000,
  });
  parts.idle = idle;
  // Forwards use the observed engine, so that a connection keeps its VM from being idle.
  const forwards = createForwards({ engine, roster, store, log });
  parts.forwards = forwards;
  return {
    viewOf,
    engine,
    quietEngine,
    config,
    layout,
    store,
    log,
    tracing,
    drain: createDrain(),
    connections: createConnectionLimit(config.server.max_connections_per_address),
    requestIdOf: createRequestIds(),
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
    previews,
    listening: { port: null },
    metrics,
    measurements,
    volumes,
    idempotency: createIdempotency(store),
    startedAtMs: Date.now(),
  };
}

/**
 * Returns the given admin key, or the one that the first start generated. The owner's clients read it from the file.
 */
function adminKey(file: string, given: string | undefined): string {
  if (given !== undefined) {
    if (!existsSync(file) || secretFile(file, () => given) !== given) writeSecret(file, given);
    return given;
  }
  return secretFile(file, () => `nova_${newSecret()}`);
}
