import { withTrace } from '@novasandbox/engine';
import { NovaError, type ErrorCode } from '@novasandbox/protocol';
import type { Permission } from '@novasandbox/protocol/api';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { credentialOf, localPrincipal } from '../auth/auth.ts';
import type { Principal } from '../context.ts';
import type { DaemonContext } from '../daemon-context.ts';
import type { RequestTrace } from '../trace/tracing.ts';
import { refusalOf, refuseUnrouted } from './addresses.ts';
import { addCors } from './cors.ts';
import { httpError, sendError } from './errors.ts';
import type { Listeners } from './listeners.ts';
import { createRateLimit, type RateLimitState } from './rate-limit.ts';
import { sourceOf } from './source.ts';

/**
 * The access that a route requires: a permission, `authenticated` for any valid credentials, `public` for none, `own`
 * where the route checks itself.
 */
export type RoutePermission = Permission | 'public' | 'authenticated' | 'own';

declare module 'fastify' {
  interface FastifyContextConfig {
    permission?: RoutePermission;
    /** Name in logs and metrics. */
    operation?: string;
  }
  interface FastifyRequest {
    principal: Principal | null;
    startedAt: number;
    failure: ErrorCode | null;
    trace: RequestTrace;
    /** Records in metrics, log and trace how the request ended. A WebSocket calls it when it is closed. */
    ended(status: number): void;
    /** Held while the shutdown of the daemon has to wait for the request. */
    work: Disposable | null;
  }
}

/** Operations that last as long as their clients stay: the shutdown does not wait for them. */
const endless = new Set(['vmEvents', 'systemEvents', 'streamEvents', 'watchFiles', 'tunnel', 'shell']);
/** Operations that are accepted during a shutdown, because they help running commands to end. */
const helpful = new Set(['signalProcess']);

/** Returns the authenticated sender of the request; throws `unauthenticated` when there is none. */
export function principalOf(request: FastifyRequest): Principal {
  if (request.principal === null)
    throw new NovaError('unauthenticated', 'No valid key or token came with the request.');
  return request.principal;
}

/** A registered route. */
export interface Registered {
  readonly method: string;
  readonly url: string;
  readonly permission: RoutePermission;
}

/** Adds the hooks of every request: authentication, permissions, rate limits, metrics and the log. */
export async function addHooks(
  app: FastifyInstance,
  context: DaemonContext,
  listeners: Listeners,
): Promise<readonly Registered[]> {
  const registered: Registered[] = [];
  const { auth, config, metrics, log, tickets, tracing, drain, connections } = context;
  const limit = createRateLimit(config.security.rate_limit_per_minute);
  const failures = createRateLimit(config.security.failed_auth_per_minute);
  app.decorateRequest('principal', null);
  app.decorateRequest('startedAt', 0);
  app.decorateRequest('failure', null);
  app.decorateRequest('trace');
  app.decorateRequest('work', null);
  app.decorateRequest('ended', function ended(this: FastifyRequest, status: number) {
    const seconds = (performance.now() - this.startedAt) / 1000;
    const { operation = 'unknown', permission } = this.routeOptions.config;
    // Metrics use the pattern of the route: the number of paths is unbounded.
    const route = this.routeOptions.url ?? 'unknown';
    metrics.answered(this.method, route, status, seconds);
    const vm = (this.params as Record<string, string | undefined> | null)?.['id'];
    const principal = this.principal?.name;
    const error = this.failure ?? undefined;
    const level = permission === 'public' && status < 400 ? 'debug' : 'info';
    log[level]({ request_id: this.id, operation, principal, vm, status, error, ms: Math.round(seconds * 1e5) / 100 });
    this.trace.end({ route, operation, status, error, principal, vm });
    this.work?.[Symbol.dispose]();
  });

  app.addHook('onRequest', async (request, reply) => {
    request.startedAt = performance.now();
    request.trace = tracing.begin(request.id, request.method, request.headers);
    void reply.headers({ 'x-request-id': request.id, 'x-content-type-options': 'nosniff' });
  });
  await addCors(app, config.security.cors_origins);

  // A route without a permission cannot be registered.
  app.addHook('onRoute', (route) => {
    if (route.config?.permission === undefined) {
      throw new Error(`${String(route.method)} ${route.url} has no permission`);
    }
    for (const method of [route.method].flat()) {
      registered.push({ method, url: route.url, permission: route.config.permission });
    }
    const { handler } = route;
    route.handler = function inTrace(request, reply) {
      return withTrace(request.trace.trace, () => handler.call(this, request, reply));
    };
  });

  const authenticate = async (request: FastifyRequest): Promise<Principal> => {
    const none = credentialOf(request.headers) === null;
    if (none && listeners.isLocal(request.raw)) return localPrincipal;
    try {
      const ticket = none ? ticketOf(request) : null;
      const redeemed = ticket === null ? null : await tickets.redeem(ticket);
      if (redeemed !== null) refuseForeignPage(request.headers.origin, config.security.cors_origins);
      const principal = redeemed ?? (await auth.authenticate(request.headers));
      metrics.authenticated(principal.kind, true);
      connections.vouchFor(request.raw.socket);
      return principal;
    } catch (error) {
      metrics.authenticated('unknown', false);
      // Only failures are throttled, so that others at the same address, such as a page in a browser of this host, lock
      // nobody with valid credentials out. Keys and tokens are long and random: more attempts gain an attacker nothing.
      const from = failures.take(sourceOf(request.ip));
      if (from.exceeded) throw limited(from, 'Too many wrong credentials from this address.');
      throw error;
    }
  };

  app.addHook('onRequest', async (request, reply) => {
    // Unknown addresses require credentials, so that strangers cannot find out which addresses exist.
    const { permission = 'authenticated' } = request.routeOptions.config;
    if (permission === 'own') return;
    if (permission !== 'public') request.principal = await authenticate(request);
    // Requests over the local socket and reads of public routes are not counted; login attempts are.
    const uncounted = request.principal?.kind === 'local' || (permission === 'public' && request.method === 'GET');
    const state = uncounted ? null : limit.take(request.principal?.name ?? sourceOf(request.ip));
    if (state !== null && state.limit > 0) {
      void reply.headers({
        'x-ratelimit-limit': state.limit,
        'x-ratelimit-remaining': state.remaining,
        'x-ratelimit-reset': state.resetSeconds,
      });
      if (state.exceeded) throw limited(state, 'Too many requests.');
    }
    // Checked before the body is read, because the body has no influence on it.
    if (request.is404) refuseUnrouted(request, reply);
    if (request.principal !== null && permission !== 'authenticated' && permission !== 'public') {
      auth.authorise(request.principal, permission);
    }
    const { operation = '' } = request.routeOptions.config;
    const asks = /^(?:GET|HEAD|DELETE)$/.test(request.method) && request.headers.upgrade === undefined;
    if (!asks && !helpful.has(operation)) drain.refuse();
    if (!endless.has(operation)) request.work = drain.hold();
  });

  app.setNotFoundHandler(async (request, reply) => refuseUnrouted(request, reply));
  app.addHook('onResponse', async (request, reply) => request.ended(reply.statusCode));

  app.setErrorHandler((thrown, request, reply) => {
    const error = refusalOf(request, reply, httpError(thrown));
    request.failure = error.code;
    metrics.failed('api', error.code);
    if (error.code === 'internal') log.error({ request_id: request.id, err: thrown }, 'an internal error');
    if (error.code === 'forbidden' || error.code === 'rate_limited') metrics.security(error.code);
    return sendError(reply, error);
  });
  return registered;
}

/** Reads the ticket of a WebSocket. Other requests have none: a ticket in a URL would be a credential in a URL. */
function ticketOf({ headers, query }: FastifyRequest): string | null {
  if (headers.upgrade?.toLowerCase() !== 'websocket') return null;
  const { ticket } = query as Record<string, unknown>;
  return typeof ticket === 'string' ? ticket : null;
}

/**
 * Browsers let any page open a WebSocket to any server and send the page's origin. A ticket from a foreign page is
 * rejected, and is used up.
 */
function refuseForeignPage(origin: string | undefined, origins: readonly string[]): void {
  if (origin === undefined || origins.includes(origin)) return;
  throw new NovaError('forbidden', 'The page that opens this WebSocket may not use tickets.', {
    hint: 'Name its origin in security.cors_origins.',
  });
}

function limited(state: RateLimitState, message: string): NovaError {
  return new NovaError('rate_limited', message, { details: { retry_after_seconds: state.resetSeconds } });
}
