import type { IncomingMessage, ServerResponse } from 'node:http';
import { NovaError } from '@novasandbox/protocol';
import { routes, type Route } from '@novasandbox/protocol/api';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyServerFactory } from 'fastify';
import { apiPrefix } from '../routes/bind.ts';
import type { DaemonContext } from '../daemon-context.ts';
import { requestIdOf } from './request-id.ts';

const mebibyte = 1024 * 1024;

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Fastify as this daemon wants it; requests come from `serverFactory`'s server. */
export function createApp({ config }: DaemonContext, serverFactory: FastifyServerFactory): FastifyInstance {
  const app = fastify({
    serverFactory,
    logger: false,
    bodyLimit: Math.round(config.server.body_limit_mb * mebibyte),
    requestIdHeader: false,
    genReqId: requestIdOf,
    exposeHeadRoutes: false,
    return503OnClosing: false,
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
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    // A body that is not there is what its defaults say.
    if (body === '') done(null, undefined);
    else void parseJson(request, String(body), done);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const methods = methodsAt(path);
    if (methods.length === 0) throw new NovaError('not_found', 'There is nothing at this address.');
    void reply.header('allow', methods.join(', '));
    throw new NovaError('method_not_allowed', `This takes ${methods.join(', ')}.`);
  });
  return app;
}

const patterns = Object.values<Route>(routes).map(({ method, path }) => ({
  method,
  pattern: new RegExp(`^${apiPrefix}${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
}));

function methodsAt(path: string): string[] {
  return [...new Set(patterns.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))];
}
