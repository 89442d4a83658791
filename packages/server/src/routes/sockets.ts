import { eventsSocket } from '../sockets/events.ts';
import { execSocket } from '../sockets/exec.ts';
import { shellSocket } from '../sockets/shell.ts';
import { tunnelSocket } from '../sockets/tunnel.ts';
import { watchSocket } from '../sockets/watch.ts';
import type { SocketHandlers } from './call.ts';

export function socketHandlers(): SocketHandlers {
  return {
    exec: ({ engine, params, leaving }, socket) => execSocket(engine, params.id, socket, leaving),
    shell: ({ engine, params, query }, socket) => shellSocket(engine, params.id, query, socket),
    tunnel: ({ engine, params }, socket) => tunnelSocket(engine, params.id, params.port, socket),
    watchFiles: ({ engine, params, query }, socket) => watchSocket(engine, params.id, query, socket),
    vmEvents: async ({ engine, events, params, query }, socket) => {
      const { id } = await engine.sandboxes.get(params.id);
      await eventsSocket(events, { vmId: id, ...query }, socket);
    },
    systemEvents: ({ events, query }, socket) => eventsSocket(events, query, socket),
  };
}
