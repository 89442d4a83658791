import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import { pino } from 'pino';
import { NovaError } from '@novasandbox/protocol';
import { rolePermissions } from '@novasandbox/protocol/api';
import type { Engine } from '@novasandbox/engine';
import { engineUnderTest } from './engine.ts';
import type { Principal, ServerContext } from '../../packages/server/src/context.ts';
import { serverConfigSchema } from '../../packages/server/src/config/schema.ts';
import { e2bControlPlane } from '../../packages/server/src/e2b/index.ts';
import { dataPlane } from '../../packages/server/src/proxy/index.ts';

export interface Served extends AsyncDisposable {
  readonly url: string;
  readonly apiKey: string;
}

export async function serveE2b(engine: Engine): Promise<Served> {
  const apiKey = `e2b_${randomBytes(20).toString('hex')}`;
  const secret = randomBytes(16).toString('hex');
  const token = (kind: string, id: string) => createHmac('sha256', secret).update(`${kind} ${id}`).digest('hex');
  const admin: Principal = { kind: 'key', name: 'a', role: 'admin', permissions: new Set(rolePermissions.admin) };
  const context: ServerContext = {
    engine,
    config: serverConfigSchema.parse({}),
    auth: {
      authenticate: async (headers) => {
        if (headers['x-api-key'] !== apiKey) throw new NovaError('unauthenticated', 'no');
        return admin;
      },
      authorise: () => undefined,
      sandboxToken: (id) => token('a', id),
      trafficToken: (id) => token('t', id),
      matches: (a, b) => a === b,
    },
    events: { emit: () => undefined, subscribe: () => (async function* () {})() },
    activity: { busy: () => ({ [Symbol.dispose]: () => undefined }) },
    log: pino({ level: process.env['LOG'] ?? 'warn' }),
  };
  const plane = dataPlane(context);
  const app = Fastify({
    serverFactory: (handler) => {
      const server = createServer((request, response) => {
        if (plane.handles(request)) plane.request(request, response);
        else handler(request, response);
      });
      server.on('upgrade', (request, socket, head) => {
        if (plane.handles(request)) plane.upgrade(request, socket, head);
        else socket.destroy();
      });
      return server;
    },
  });
  app.decorateRequest('principal', null);
  app.decorateRequest('failure', null);
  app.addHook('onRequest', async (request) => {
    request.principal = await context.auth.authenticate(request.headers);
  });
  await app.register(e2bControlPlane, { context });
  await app.ready();
  app.server.listen(0, '127.0.0.1');
  await once(app.server, 'listening');
  const { port } = app.server.address() as AddressInfo;
  context.config.server.domain = `localhost:${port}`;
  return {
    url: `http://127.0.0.1:${port}`,
    apiKey,
    [Symbol.asyncDispose]: async () => {
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

export interface E2bUnderTest extends AsyncDisposable {
  readonly engine: Engine;
  readonly url: string;
  /** What points a client at the server. */
  readonly options: { readonly apiKey: string; readonly apiUrl: string; readonly sandboxUrl: string };
}

/** A server with a state folder of its own. Disposing removes its sandboxes and then looks for anything left behind. */
export async function e2bUnderTest(): Promise<E2bUnderTest> {
  const under = await engineUnderTest();
  const served = await serveE2b(under.engine);
  return {
    engine: under.engine,
    url: served.url,
    options: { apiKey: served.apiKey, apiUrl: served.url, sandboxUrl: served.url },
    [Symbol.asyncDispose]: async () => {
      await served[Symbol.asyncDispose]();
      await under[Symbol.asyncDispose]();
    },
  };
}
