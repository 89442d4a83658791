import { createServer } from 'node:net';
import { once } from 'node:events';
import { NovaError } from '@novasandbox/protocol';

/**
 * Refuses a port of 127.0.0.1 that is in use: a forward would take connections that are meant for another. Throws
 * `port_in_use`, or `invalid_argument` for a port that only root may use.
 */
export async function requireFreePort(hostPort: number): Promise<void> {
  const server = createServer();
  try {
    await once(server.listen(hostPort, '127.0.0.1'), 'listening');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EACCES')
      throw new NovaError('invalid_argument', `hostPort: this user may not use ${hostPort}.`, { cause: error });
    if (code !== 'EADDRINUSE') throw error;
    throw new NovaError('port_in_use', `hostPort: ${hostPort} of 127.0.0.1 is in use on this host.`, { cause: error });
  } finally {
    server.close();
  }
}
