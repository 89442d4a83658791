import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { isNovaError, NovaError } from '@novasandbox/protocol/errors';
import { inBackground } from '../ports/background.ts';
import type { PortForward } from '../ports/network.ts';
import type { HeldAt } from './process/held-place.ts';
import { endAtOnce } from './proxy/end-at-once.ts';
import { pump } from './proxy/pump.ts';

/** Connects into a slot without a link to the host. */
export interface IntoSlot {
  /** A connection to that port of the guest, which may not be established yet. */
  connect(at: Exclude<HeldAt, number>, guestPort: number): Promise<Socket>;
}

/** Ports of the host's 127.0.0.1 that lead into a slot. */
export interface ServedForwards {
  close(): void;
}

/** Connections that one forwarded port may have at once. */
const mostConnections = 512;

/**
 * Serves the forwards of a slot that has no link to the host; any other needs none of it.
 * @throws NovaError `port_in_use`
 */
export async function serveForwards(
  into: IntoSlot,
  at: HeldAt,
  forwards: readonly PortForward[],
): Promise<ServedForwards> {
  const open = new Set<{ close(): void }>();
  const close = (): void => {
    for (const each of open) each.close();
  };
  if (typeof at === 'number') return { close };
  const connections = new Set<Socket>();
  open.add({ close: () => connections.forEach((each) => each.destroy()) });
  for (const { hostPort, guestPort } of forwards) {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      connections.add(socket);
      socket.once('close', () => connections.delete(socket));
      inBackground('forwarding a connection into a slot', () => forward(into, at, { hostPort, guestPort }, socket));
    });
    server.maxConnections = mostConnections;
    try {
      await once(server.listen(hostPort, '127.0.0.1'), 'listening');
    } catch (error) {
      close();
      throw new NovaError('port_in_use', `hostPort: ${hostPort} of 127.0.0.1 cannot be listened on.`, { cause: error });
    }
    open.add(server);
  }
  return { close };
}

async function forward(
  into: IntoSlot,
  at: Exclude<HeldAt, number>,
  { guestPort }: PortForward,
  socket: Socket,
): Promise<void> {
  // Failures are seen by whoever reads or writes.
  socket.on('error', () => undefined);
  let guest: Socket | undefined;
  try {
    guest = await into.connect(at, guestPort);
    guest.on('error', () => undefined);
    socket.once('close', () => guest?.destroy());
    if (socket.destroyed) return void guest.destroy();
    const free = (): number => 0;
    await Promise.all([pump(socket, guest, free), pump(guest, socket, free)]);
  } catch (error) {
    endAtOnce(socket);
    guest?.destroy();
    if (isNovaError(error, 'internal')) throw error;
  }
}
