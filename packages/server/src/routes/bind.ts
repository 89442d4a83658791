import { parse } from '@novasandbox/protocol';
import { defaultBodyKb, routes, type Operation, type Route } from '@novasandbox/protocol/api';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type * as z from 'zod';
import type { RouteContext } from '../daemon-context.ts';
import { nobody } from '../authority/callers.ts';
import { apiPrefix } from '../http/addresses.ts';
import { goneSignal } from '../http/gone.ts';
import { principalOf } from '../http/hooks.ts';
import type { Sockets } from '../sockets/accept.ts';
import type { StreamAnswer } from '../streams/answer.ts';
import { paramSchemas, type Call, type JsonHandlers, type SocketHandlers, type StreamHandlers } from './call.ts';
import type { Answer } from '../idempotency/idempotency.ts';
import { childrenOfInterrupted } from '../vms/fork.ts';
import { vmOfId } from '../vms/operations.ts';
import { volumeOfInterrupted } from '../vms/volumes.ts';
import { snapshotOfInterrupted } from '../vms/snapshots.ts';

export interface Handlers {
  readonly json: JsonHandlers;
  readonly streams: StreamHandlers;
  readonly sockets: SocketHandlers;
}

type AnyCall = Call<Operation>;
type Handle = (call: AnyCall) => Promise<unknown>;

/** Converts `/vms/{id}` into Fastify's form, `/vms/:id`. */
export const fastifyPath = (path: string): string => `${apiPrefix}${path.replaceAll(/\{(\w+)\}/g, ':$1')}`;

/**
 * Registers every route of the table. The type of a route's answer selects the kind of its handler; a missing handler
 * does not compile.
 */
export function bindRoutes(app: FastifyInstance, context: RouteContext, accepted: Sockets, handlers: Handlers): void {
  const json = handlers.json as unknown as Readonly<Record<string, Handle>>;
  const streams = handlers.streams as unknown as Readonly<Record<string, (call: AnyCall) => Promise<StreamAnswer>>>;
  const sockets = handlers.sockets as unknown as Readonly<Record<string, SocketHandlers['shell']>>;
  // Bodies that are not JSON are passed on as streams. These routes have a scope of their own, so that JSON routes
  // refuse such bodies.
  const raw: [string, Route][] = [];
  for (const [operation, route] of Object.entries<Route>(routes)) {
    if (route.bodyType === undefined) register(app, operation, route);
    else raw.push([operation, route]);
  }
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    for (const [operation, route] of raw) register(scope, operation, route);
  });

  function register(scope: FastifyInstance, operation: string, route: Route): void {
    scope.route({
      method: route.method,
      url: fastifyPath(route.path),
      bodyLimit: (route.bodyKb ?? defaultBodyKb) * 1024,
      config: { permission: route.permission, operation },
      handler: handlerOf(operation, route),
    });
  }

  function handlerOf(
    operation: string,
    route: Route,
  ): (request: FastifyRequest, reply: FastifyReply) => Promise<unknown> {
    const handle = json[operation];
    if (handle !== undefined) return (request, reply) => answerJson(context, operation, route, handle, request, reply);
    const stream = streams[operation];
    if (stream !== undefined) return (request, reply) => answerStream(context, route, stream, request, reply);
    const socket = sockets[operation];
    if (socket !== undefined) {
      return async (request, reply) => accepted.accept(callOf(context, route, request, reply), request, reply, socket);
    }
    throw new Error(`${operation} has no handler`);
  }
}

async function answerJson(
  context: RouteContext,
  operation: string,
  route: Route,
  handle: Handle,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const call = callOf(context, route, request, reply);
  const status = route.status ?? 200;
  const answerOf = (result: unknown): Answer => ({
    status,
    body: route.response === undefined ? '' : JSON.stringify(route.response.parse(result)),
  });
  const work = async (): Promise<Answer> => answerOf(await handle(call));
  const key = request.headers['idempotency-key'];
  let answer: Answer;
  if (route.idempotent === true && typeof key === 'string') {
    const content = { params: request.params, body: request.body ?? null };
    const principal = principalOf(request).name;
    const asked = { principal, operation, key, content };
    const findMade = finders[operation];
    const { replayed, ...kept } =
      findMade !== undefined
        ? await context.idempotency.answerWith(
            asked,
            async (newId, onOtherId) => answerOf(await handle(Object.assign(call, { newId, onOtherId }))),
            async (id) => {
              const made = await findMade(context, call, id);
              return made === null ? null : answerOf(made);
            },
          )
        : await context.idempotency.answer(asked, work);
    if (replayed) void reply.header('idempotency-replayed', 'true');
    answer = kept;
  } else {
    answer = await work();
  }
  void reply.code(answer.status).header('cache-control', 'no-store');
  return answer.status === 204 ? reply.send() : reply.type('application/json; charset=utf-8').send(answer.body);
}

type FindMade = (context: RouteContext, call: AnyCall, id: string) => Promise<unknown>;
const findVm: FindMade = (_context, { engine }, id) => vmOfId(engine, id);
const findChildren: FindMade = (context, { engine, body }, id) =>
  childrenOfInterrupted(context, engine, id, body as Call<'forkVm'>['body']);

/** How that which an interrupted request has made is found by the id that was stored for it; null: it is not there. */
const finders: Readonly<Record<string, FindMade>> & Partial<Record<Operation, FindMade>> = {
  createVm: findVm,
  createLinuxVm: findVm,
  cloneSnapshot: findVm,
  cloneVmSnapshot: findVm,
  forkVm: findChildren,
  cloneVm: findChildren,
  createVolume: (context, _call, id) => volumeOfInterrupted(context, id),
  takeSnapshot: (context, _call, id) => snapshotOfInterrupted(context, id),
};

async function answerStream(
  context: RouteContext,
  route: Route,
  handle: (call: AnyCall) => Promise<StreamAnswer>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { status = 200, headers, body } = await handle(callOf(context, route, request, reply));
  return reply
    .code(status)
    .headers({ 'cache-control': 'no-store', ...headers })
    .send(body);
}

function callOf(context: RouteContext, route: Route, request: FastifyRequest, reply: FastifyReply): AnyCall {
  const params = Object.fromEntries(
    Object.entries(request.params as Record<string, string>).map(([name, value]) => [
      name,
      parse(paramSchemas[name as keyof typeof paramSchemas], value, name),
    ]),
  );
  const query = parsed(route.query, request.query, 'query');
  // A missing body counts as an empty object, for bodies whose fields all have defaults; `null` is an invalid body.
  const given = request.body === undefined ? {} : request.body;
  const body = route.bodyType === undefined ? parsed(route.body, given, 'body') : undefined;
  let signal: AbortSignal | undefined;
  return {
    // Public routes have no caller, and their view contains no sandbox.
    ...context.viewOf(request.principal ?? nobody),
    params,
    query,
    body,
    principal: request.principal,
    newId: undefined,
    onOtherId: undefined,
    request,
    leaving: context.drain.leaving,
    // The signal is created on first use.
    get signal() {
      return (signal ??= goneSignal(request, reply));
    },
  } as unknown as AnyCall;
}

function parsed(schema: z.ZodType | undefined, value: unknown, what: string): unknown {
  return schema === undefined ? undefined : parse(schema, value, what);
}
