import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { DaemonContext } from './daemon-context.ts';
import { e2bControlPlane } from './e2b/index.ts';
import { createApp, type Handler } from './http/app.ts';
import { addHooks, type Registered } from './http/hooks.ts';
import { hangUp } from './http/linger.ts';
import { createListeners, type Listeners } from './http/listeners.ts';
import { createGauges } from './metrics/gauges.ts';
import { addDescription } from './openapi/serve.ts';
import { dataPlane } from './proxy/index.ts';
import { bindRoutes } from './routes/bind.ts';
import { fileHandlers, fileStreams } from './routes/files.ts';
import { guestHandlers, guestStreams } from './routes/guest.ts';
import { networkHandlers } from './routes/network.ts';
import { resourceHandlers } from './routes/resources.ts';
import { addRootRoutes } from './routes/root.ts';
import { securityHandlers } from './routes/security.ts';
import { socketHandlers } from './routes/sockets.ts';
import { systemHandlers } from './routes/system.ts';
import { templateHandlers } from './routes/templates.ts';
import { vmHandlers } from './routes/vms.ts';
import { rememberUpgrade } from './sockets/accept.ts';
import { createHostLook } from './system/host.ts';

export interface Server {
  readonly app: FastifyInstance;
  readonly listeners: Listeners;
  /** All routes, with who may use them. */
  readonly registered: readonly Registered[];
}

/** All ways in, on one port: requests for a sandbox go to the data plane, all others to the routes. */
export async function createServer(context: DaemonContext): Promise<Server> {
  const plane = dataPlane(context);
  let routed: Handler | undefined;
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    if (plane.handles(request)) plane.request(request, response);
    else routed?.(request, response);
  };
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy());
    if (plane.handles(request)) {
      plane.upgrade(request, socket, head);
      return;
    }
    // An upgrade goes through the same hooks as any request; its route takes the socket over, or answers with an error.
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Socket);
    response.on('finish', () => hangUp(socket));
    rememberUpgrade(request, socket, head);
    routed?.(request, response);
  };
  const listeners = createListeners(context.config, onRequest, onUpgrade);
  const app = createApp(context, (handler) => {
    routed = handler;
    return listeners.main;
  });
  const registered = addHooks(app, context, listeners);

  const look = createHostLook(context.layout.home);
  addRootRoutes(app, context, createGauges(context, look));
  addDescription(app);
  bindRoutes(app, context, {
    json: {
      ...vmHandlers(context),
      ...guestHandlers(),
      ...fileHandlers(context),
      ...templateHandlers(),
      ...systemHandlers(context, look),
      ...securityHandlers(context),
      ...networkHandlers(context),
      ...resourceHandlers(context, look),
    },
    streams: { ...guestStreams(), ...fileStreams() },
    sockets: socketHandlers(),
  });
  const { idempotency, measurements } = context;
  await app.register(e2bControlPlane, { context, idempotency, measurements });
  await app.ready();
  return { app, listeners, registered };
}
