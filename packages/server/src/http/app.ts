import type { IncomingMessage, ServerResponse } from 'node:http';
import { NovaError } from '@novasandbox/protocol';
import { routes, type Route } from '@novasandbox/protocol/api';
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerFactory,
} from 'fastify';
import { apiPrefix } from '../routes/bind.ts';
import type { DaemonContext } from '../daemon-context.ts';
import { jsonLimits, textWithin } from './json-body.ts';
import { requestIdOf } from './request-id.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Fastify as this daemon wants it; requests come from `serverFactory`'s server. */
export function createApp({ config }: DaemonContext, serverFactory: FastifyServerFactory): FastifyInstance {
  const app = fastify({
    serverFactory,
    logger: false,
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
  const limits = jsonLimits(config);
  app.addContentTypeParser('application/json', async (request: FastifyRequest, body: IncomingMessage) => {
    const text = await textWithin(body, limits);
    // A body that is not there is what its defaults say.
    if (text === '') return undefined;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    void parseJson(request, text, (error, value) => (error === null ? resolve(value) : reject(error)));
    return promise;
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
