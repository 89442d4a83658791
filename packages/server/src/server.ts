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
import { createGauges } from './system/gauges.ts';
import { addDescription } from './openapi/serve.ts';
import { dataPlane } from './proxy/index.ts';
import { bindRoutes } from './routes/bind.ts';
import { eventStreams } from './routes/events.ts';
import { fileHandlers, fileStreams } from './routes/files.ts';
import { guestHandlers, guestStreams } from './routes/guest.ts';
import { networkHandlers } from './routes/network.ts';
import { networksHandlers } from './routes/networks.ts';
import { poolHandlers } from './routes/pool.ts';
import { resourceHandlers } from './routes/resources.ts';
import { addMcp } from './mcp/mcp.ts';
import { addRootRoutes } from './routes/root.ts';
import { securityHandlers } from './routes/security.ts';
import { snapshotHandlers, snapshotStreams } from './routes/snapshots.ts';
import { socketHandlers } from './routes/sockets.ts';
import { systemHandlers } from './routes/system.ts';
import { templateHandlers } from './routes/templates.ts';
import { vmHandlers } from './routes/vms.ts';
import { policyHandlers } from './routes/policies.ts';
import { volumeHandlers } from './routes/volumes.ts';
import { createSockets, type Sockets } from './sockets/accept.ts';
import { createHostLook } from './system/host.ts';

export interface Server {
  readonly app: FastifyInstance;
  readonly listeners: Listeners;
  readonly sockets: Sockets;
  /** All registered routes with the permissions they need. */
  readonly registered: readonly Registered[];
}

/** Serves everything on one port: requests for a sandbox go to the data plane, all others to the routes. */
export async function createServer(context: DaemonContext): Promise<Server> {
  const plane = dataPlane(context);
  const sockets = createSockets();
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
    // An upgrade passes the same hooks as any request. Its route takes the socket over or answers with an error.
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Socket);
    response.on('finish', () => hangUp(socket));
    sockets.remember(request, socket, head);
    routed?.(request, response);
  };
  const listeners = createListeners(context, onRequest, onUpgrade);
  const app = createApp(context, (handler) => {
    routed = handler;
    return listeners.main;
  });
  const registered = await addHooks(app, context, listeners);

  const look = createHostLook(context.layout.home);
  addRootRoutes(app, context, createGauges(context, look));
  addDescription(app);
  addMcp(app, context);
  bindRoutes(app, context, sockets, {
    json: {
      ...vmHandlers(context),
      ...guestHandlers(),
      ...fileHandlers(context),
      ...snapshotHandlers(context),
      ...templateHandlers(),
      ...policyHandlers(),
      ...volumeHandlers(),
      ...poolHandlers(),
      ...systemHandlers(context, look),
      ...securityHandlers(context, sockets),
      ...networkHandlers(context),
      ...networksHandlers(),
      ...resourceHandlers(context, look),
    },
    streams: { ...guestStreams(), ...fileStreams(), ...snapshotStreams(context), ...eventStreams() },
    sockets: socketHandlers(),
  });
  const { idempotency, measurements } = context;
  await app.register(e2bControlPlane, { context, idempotency, measurements });
  await app.ready();
  return { app, listeners, sockets, registered };
}
