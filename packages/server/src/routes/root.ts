import { healthSchema, readySchema, statusSchema } from '@novasandbox/protocol/api';
import type { FastifyInstance } from 'fastify';
import type { DaemonContext } from '../daemon-context.ts';
import { checks } from '../system/checks.ts';
import { statusOf } from '../system/status.ts';

/** What lies beside the API: whether the daemon lives, what it counts, and its description. */
export function addRootRoutes(app: FastifyInstance, context: DaemonContext, gauges: { fill(): Promise<void> }): void {
  const { config, metrics } = context;
  // Liveness depends on nothing: a daemon that can answer is alive.
  app.get('/health', { config: { permission: 'public', operation: 'health' }, exposeHeadRoute: true }, async () =>
    healthSchema.parse({ status: 'ok' }),
  );
  app.get('/ready', { config: { permission: 'public', operation: 'ready' } }, async (_request, reply) => {
    const found = await checks(context);
    const ready = Object.values(found).every(({ ok }) => ok);
    return reply.code(ready ? 200 : 503).send(readySchema.parse({ ready, checks: found }));
  });
  app.get('/status', { config: { permission: 'system:read', operation: 'status' } }, async () =>
    statusSchema.parse(await statusOf(context)),
  );
  const metricsPermission = config.monitoring.public_metrics ? 'public' : 'system:read';
  app.get('/metrics', { config: { permission: metricsPermission, operation: 'metrics' } }, async (_request, reply) => {
    await gauges.fill();
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
}
