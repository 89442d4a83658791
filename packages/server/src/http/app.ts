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
import { requestIdOf } from './request-id.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The account of its JSON body, until it has been answered. */
    held: HeldBytes | null;
  }
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Fastify as this daemon wants it; requests come from `serverFactory`'s server. */
export function createApp({ config, bodies }: DaemonContext, serverFactory: FastifyServerFactory): FastifyInstance {
  const app = fastify({
    serverFactory,
    logger: false,
    requestIdHeader: false,
    genReqId: requestIdOf,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    bodyLimit: defaultBodyKb * 1024,
    routerOptions: { maxParamLength: 128 },
    // An address that cannot be decoded.
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
    if (held === null) throw new Error('a body is parsed of which no account is kept');
    const text = await textWithin(body, { bytes: Math.min(routeOptions.bodyLimit, most), ms }, held);
    // A body that is not there is what its defaults say.
    if (text === '') return undefined;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    // Errors reach the callback, or are thrown at once.
    Promise.resolve(
      parseJson(request, text, (error, value) => (error === null ? resolve(value) : reject(error))),
    ).catch(reject);
    return promise;
  });
  return app;
}
