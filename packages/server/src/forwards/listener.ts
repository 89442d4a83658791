import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { pipeline, type Duplex } from 'node:stream';
import { NovaError } from '@novasandbox/protocol';

/** A forwarded port of the host. Disposing it ends its connections too. */
export interface Listener extends AsyncDisposable {
  readonly port: number;
}

const maxConnections = 512;

/**
 * Listens on a port. `reach` opens the other end of each connection; where it fails, the connection of the client is
 * reset, as by a port that nobody listens on.
 */
export async function listenAt(host: string, port: number, reach: () => Promise<Duplex>): Promise<Listener> {
  const open = new Set<Socket>();
  // Each side may end its direction before the other does.
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) => {
    open.add(client);
    client.on('error', () => client.destroy());
    client.once('close', () => open.delete(client));
    reach().then(
      (guest) => {
        if (client.destroyed) guest.destroy();
        else pipeline(client, guest, client, () => undefined);
      },
      () => client.resetAndDestroy(),
    );
  });
  server.maxConnections = maxConnections;
  try {
    await once(server.listen(port, host), 'listening');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EACCES')
      throw new NovaError('invalid_argument', `host_port: the daemon may not use ${port}.`, { cause: error });
    throw new NovaError('port_in_use', `host_port: ${port} of ${host} is in use on this host.`, { cause: error });
  }
  // An error of one connection does not affect the port.
  server.on('error', () => undefined);
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const client of open) client.destroy();
      await closed;
    },
  };
}
