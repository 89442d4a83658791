import { healthSchema, readySchema, statusSchema } from '@novasandbox/protocol/api';
import type { FastifyInstance } from 'fastify';
import { nobody } from '../authority/callers.ts';
import type { RouteContext } from '../daemon-context.ts';
import type { Gauges } from '../system/gauges.ts';
import { principalOf } from '../http/hooks.ts';
import { checks } from '../system/checks.ts';
import { statusOf } from '../system/status.ts';

/** Routes outside of /api/v1: liveness, readiness, status and metrics. */
export function addRootRoutes(app: FastifyInstance, context: RouteContext, gauges: Gauges): void {
  const { config, metrics } = context;
  // Liveness depends on nothing: a daemon that can answer is alive.
  app.get('/health', { config: { permission: 'public', operation: 'health' }, exposeHeadRoute: true }, async () =>
    healthSchema.parse({ status: 'ok' }),
  );
  app.get('/ready', { config: { permission: 'public', operation: 'ready' } }, async (_request, reply) => {
    // A daemon that shuts down is not ready, so that load balancers choose another one.
    context.drain.refuse();
    const found = await checks(context);
    const ready = Object.values(found).every(({ ok }) => ok);
    return reply.code(ready ? 200 : 503).send(readySchema.parse({ ready, checks: found }));
  });
  app.get('/status', { config: { permission: 'system:read', operation: 'status' } }, async (request) =>
    statusSchema.parse(await statusOf(context, context.viewOf(principalOf(request)).vms())),
  );
  const metricsPermission = config.monitoring.public_metrics ? 'public' : 'system:read';
  app.get('/metrics', { config: { permission: metricsPermission, operation: 'metrics' } }, async (request, reply) => {
    const text = await gauges.text(context.viewOf(request.principal ?? nobody).vms());
    return reply.type(metrics.registry.contentType).send(text);
  });
}
