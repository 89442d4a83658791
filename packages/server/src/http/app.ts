import type { IncomingMessage, ServerResponse } from 'node:http';
import { NovaError } from '@novasandbox/protocol';
import { defaultBodyKb } from '@novasandbox/protocol/api';
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerFactory,
} from 'fastify';
import type { DaemonContext } from '../daemon-context.ts';
import type { HeldBytes } from '../context.ts';
import { textWithin } from '../bodies/json-body.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Counts the bytes of the JSON body in the budget until the request is answered. */
    held: HeldBytes | null;
  }
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Creates the Fastify instance; requests come from the server of `serverFactory`. */
export function createApp(
  { config, bodies, requestIdOf }: DaemonContext,
  serverFactory: FastifyServerFactory,
): FastifyInstance {
  const app = fastify({
    serverFactory,
    logger: false,
    requestIdHeader: false,
    genReqId: requestIdOf,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    bodyLimit: defaultBodyKb * 1024,
    routerOptions: { maxParamLength: 128 },
    // Called for an address that cannot be decoded.
    frameworkErrors: (error, request, reply: FastifyReply) => {
      void reply
        .code(400)
        .type('application/json; charset=utf-8')
        .header('x-request-id', request.id)
        .send(JSON.stringify({ error: new NovaError('malformed_request', error.message).toJSON() }));
    },
  });
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  const most = config.server.body_limit_mb * 1024 * 1024;
  const ms = config.server.body_timeout_seconds * 1000;
  app.decorateRequest('held', null);
  app.addHook('preParsing', (request, reply, _body, done) => {
    if (request.headers['content-type'] !== undefined) {
      const held = bodies.hold(request.principal?.name ?? request.ip);
      request.held = held;
      reply.raw.once('close', () => held[Symbol.dispose]());
    }
    done();
  });
  app.addContentTypeParser('application/json', async (request: FastifyRequest, body: IncomingMessage) => {
    const { held, routeOptions } = request;
    if (held === null) throw new Error('the bytes of this body are not counted in the budget');
    const text = await textWithin(body, { bytes: Math.min(routeOptions.bodyLimit, most), ms }, held);
    // An empty body stands for the defaults of its fields.
    if (text === '') return undefined;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    // The parser passes errors to the callback or throws them.
    Promise.resolve(
      parseJson(request, text, (error, value) => (error === null ? resolve(value) : reject(error))),
    ).catch(reject);
    return promise;
  });
  return app;
}
