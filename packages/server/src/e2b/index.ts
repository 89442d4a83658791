import { NovaError, parse, type SandboxInfo } from '@novasandbox/protocol';
import { defaultBodyKb, routes } from '@novasandbox/protocol/api';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { seenBy, type ServerContext } from '../context.ts';
import { goneSignal } from '../http/gone.ts';
import { principalOf } from '../http/hooks.ts';
import type { Idempotency } from '../idempotency/idempotency.ts';
import type { Measurements } from '../metrics/measurements.ts';
import { createSandbox } from './create.ts';
import { sendE2bError } from './errors.ts';
import { killable, liveSandbox } from './find.ts';
import { forkSandbox } from './fork.ts';
import { sandboxOfAnswer } from './kept-answer.ts';
import { connect, pause, resumePaused, setTimeoutOf } from './life.ts';
import { listSandboxes } from './list.ts';
import { replaceRules } from './header-rules.ts';
import { networkUpdateSchema, policyOfNetwork, refuseOtherOptions } from './network.ts';
import { missingRoutes } from './missing.ts';
import { deleteSnapshot, listSnapshots, snapshotBody, takeSnapshot } from './snapshots.ts';
import type { AddRoute, Handler } from './route.ts';
import { metricsBody } from './usage.ts';
import { addVolumeContent } from './volume-content.ts';
import { addVolumeRoutes } from './volumes.ts';
import {
  connectSchema,
  createSchema,
  detailBody,
  forkBodySchema,
  listedBody,
  listSchema,
  listSnapshotsSchema,
  metricsSchema,
  pauseSchema,
  sandboxBody,
  snapshotSchema,
  timeoutBodySchema,
} from './wire.ts';
import { sandboxOfId } from '../vms/operations.ts';

export interface E2bOptions {
  readonly context: ServerContext;
  readonly idempotency: Idempotency;
  readonly measurements: Pick<Measurements, 'history'>;
}

/** The control plane of E2B's API: unmodified E2B clients use it to create, find and end sandboxes. */
export const e2bControlPlane: FastifyPluginAsync<E2bOptions> = async (
  app,
  { context: server, idempotency, measurements },
) => {
  const route: AddRoute = (method, urls, permission, operation, handler) => {
    const bodyLimit = (operation === 'create' ? routes.createVm.bodyKb : defaultBodyKb) * 1024;
    const config = { permission, operation: `e2b.${operation}` };
    for (const url of urls) app.route({ method, url, bodyLimit, config, handler: guarded(server, handler) });
  };

  app.setErrorHandler((thrown, request, reply) => {
    const error = sendE2bError(reply, thrown);
    request.failure = error.code;
    if (error.code === 'internal') server.log.error({ request_id: request.id, err: thrown }, 'an internal error');
  });
  route('POST', ['/sandboxes', '/v2/sandboxes'], 'vm:create', 'create', async (context, request, reply) => {
    const gone = goneSignal(request, reply);
    const body = parse(createSchema, request.body ?? {}, 'sandbox');
    const principal = principalOf(request);
    const key = request.headers['idempotency-key'];
    const create = (id?: string, onOtherId?: (id: string) => void): Promise<SandboxInfo> =>
      createSandbox(context, principal, body, { signal: gone, id, onOtherId });
    let info: SandboxInfo;
    if (typeof key === 'string') {
      // Only the sandbox is stored: the answer contains its token, which must not be.
      const answerOf = (made: SandboxInfo) => ({ status: 201, body: JSON.stringify(made) });
      const asked = { principal: principal.name, operation: 'e2b.create', key, content: body };
      const kept = await idempotency.answerWith(
        asked,
        async (id, onOtherId) => answerOf(await create(id, onOtherId)),
        async (id) => {
          const found = await sandboxOfId(context.engine, id);
          return found === null ? null : answerOf(found);
        },
      );
      if (kept.replayed) void reply.header('idempotency-replayed', 'true');
      info = await sandboxOfAnswer(kept.body, (id) => sandboxOfId(context.engine, id));
    } else {
      info = await create();
    }
    void reply.code(201);
    return sandboxBody(context, info, principal);
  });

  const list =
    (states: readonly string[]): Handler =>
    async (context, request, reply) => {
      const page = await listSandboxes(context, parse(listSchema, request.query, 'query'), states);
      if (page.nextToken !== null) void reply.header('x-next-token', page.nextToken);
      return page.items.map(listedBody);
    };
  route('GET', ['/v2/sandboxes'], 'vm:read', 'list', list(['running', 'paused']));
  route('GET', ['/sandboxes'], 'vm:read', 'list', list(['running']));

  route('GET', ['/sandboxes/:id', '/v2/sandboxes/:id'], 'vm:read', 'get', async (context, request) => {
    const info = await liveSandbox(context, idOf(request));
    const { policy } = await context.engine.sandboxes.config(info.id);
    return detailBody(context, info, principalOf(request), policy);
  });

  route('DELETE', ['/sandboxes/:id', '/v2/sandboxes/:id'], 'vm:delete', 'kill', async (context, request, reply) => {
    const { id } = await killable(context, idOf(request));
    await context.engine.sandboxes.remove(id, { force: true });
    void reply.code(204);
  });

  route(
    'POST',
    ['/sandboxes/:id/connect', '/v2/sandboxes/:id/connect'],
    'guest:connect',
    'connect',
    async (context, request, reply) => {
      const how = parse(connectSchema, request.body ?? {}, 'body');
      const { info, resumed } = await connect(context, idOf(request), how);
      void reply.code(resumed ? 201 : 200);
      return sandboxBody(context, info, principalOf(request));
    },
  );

  route('POST', ['/sandboxes/:id/resume'], 'vm:start', 'resume', async (context, request, reply) => {
    const how = parse(connectSchema, request.body ?? {}, 'body');
    const info = await resumePaused(context, idOf(request), how);
    void reply.code(201);
    return sandboxBody(context, info, principalOf(request));
  });

  route(
    'POST',
    ['/sandboxes/:id/pause', '/v2/sandboxes/:id/pause'],
    'vm:stop',
    'pause',
    async (context, request, reply) => {
      const { memory } = parse(pauseSchema, request.body ?? {}, 'body');
      await pause(context, idOf(request), memory !== false);
      void reply.code(204);
    },
  );

  route(
    'POST',
    ['/sandboxes/:id/timeout', '/v2/sandboxes/:id/timeout'],
    'vm:update',
    'timeout',
    async (context, request, reply) => {
      const { timeout } = parse(timeoutBodySchema, request.body ?? {}, 'body');
      await setTimeoutOf(context, idOf(request), timeout);
      void reply.code(204);
    },
  );

  route('PUT', ['/sandboxes/:id/network'], 'vm:update', 'network', async (context, request, reply) => {
    const options = parse(networkUpdateSchema, request.body ?? {}, 'network');
    refuseOtherOptions(options, networkUpdateSchema);
    const { id } = await liveSandbox(context, idOf(request));
    const policy = policyOfNetwork(options, options.allow_internet_access !== false);
    await context.engine.sandboxes.setPolicy(id, policy ?? 'all');
    await replaceRules(context.engine.sandboxes, id, options.rules);
    void reply.code(204);
  });

  route('GET', ['/sandboxes/:id/metrics'], 'vm:read', 'metrics', async (context, request) => {
    const span = parse(metricsSchema, request.query, 'query');
    return metricsBody(context, measurements, await liveSandbox(context, idOf(request)), span);
  });

  route('POST', ['/sandboxes/:id/snapshots'], 'snapshot:create', 'snapshot', async (context, request, reply) => {
    const gone = goneSignal(request, reply);
    const body = parse(snapshotSchema, request.body ?? {}, 'body');
    const taken = await takeSnapshot(context, idOf(request), body, gone);
    void reply.code(201);
    return snapshotBody(taken);
  });

  route('GET', ['/snapshots'], 'snapshot:read', 'snapshots', async (context, request, reply) => {
    const page = await listSnapshots(context, parse(listSnapshotsSchema, request.query, 'query'));
    if (page.nextToken !== null) void reply.header('x-next-token', page.nextToken);
    return page.items.map(snapshotBody);
  });

  route('DELETE', ['/templates/:id'], 'snapshot:delete', 'deleteSnapshot', async (context, request, reply) => {
    await deleteSnapshot(context, principalOf(request), idOf(request));
    void reply.code(204);
  });

  route('POST', ['/sandboxes/:id/fork'], 'vm:create', 'fork', async (context, request, reply) => {
    const gone = goneSignal(request, reply);
    const body = parse(forkBodySchema, request.body ?? {}, 'body');
    const forks = await forkSandbox(context, principalOf(request), idOf(request), body, gone);
    void reply.code(201);
    return forks;
  });

  route('GET', ['/templates/aliases/:alias'], 'template:read', 'template', async (context, request) => {
    const { alias = '' } = request.params as Record<string, string | undefined>;
    const found = (await context.engine.templates.list()).find(({ id }) => id === alias);
    if (found === undefined) throw new NovaError('unknown_template', `template '${alias}' not found`);
    return { templateID: found.id, public: false };
  });

  addVolumeRoutes(route);
  addVolumeContent(app, server);

  for (const { method, url, permission, what } of missingRoutes) {
    route(method, [url], permission, 'missing', async () => {
      throw new NovaError('not_implemented', `${what} are not there yet.`);
    });
  }

  app.addHook('onClose', () => server.volumes.close());
};

/** A handler that returns nothing has answered with a status and no body. */
function guarded(
  server: ServerContext,
  handler: Handler,
): (request: FastifyRequest, reply: FastifyReply) => Promise<unknown> {
  return async (request, reply) => {
    const body = await handler(seenBy(server, principalOf(request)), request, reply);
    return body === undefined ? reply.send() : body;
  };
}

function idOf(request: FastifyRequest): string {
  return (request.params as Record<string, string | undefined>)['id'] ?? '';
}
