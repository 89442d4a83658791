import type { Server, Socket } from 'node:net';
import type { ConnectionLimit } from '../context.ts';
import { sourceOf } from './source.ts';

type Ends = Pick<Socket, 'remoteAddress' | 'remotePort'>;

const endOf = ({ remoteAddress, remotePort }: Ends): string => `${remoteAddress} ${remotePort}`;

/**
 * Ends new connections of a source that has `most` connections already; 0 for no limit. Connections that were vouched
 * for do not count.
 */
export function createConnectionLimit(most: number): ConnectionLimit {
  const bySource = new Map<string, number>();
  /**
   * Connections that nobody has vouched for, by their remote address and port: over TLS, the socket of a request is not
   * the socket that was accepted.
   */
  const strangers = new Map<string, () => void>();
  const vouched = new WeakSet<Ends>();
  const onConnection = (socket: Socket): void => {
    const source = sourceOf(socket.remoteAddress);
    const count = (bySource.get(source) ?? 0) + 1;
    if (count > most) return void socket.destroy();
    bySource.set(source, count);
    const end = endOf(socket);
    const release = (): void => {
      if (!strangers.delete(end)) return;
      const left = (bySource.get(source) ?? 1) - 1;
      if (left > 0) bySource.set(source, left);
      else bySource.delete(source);
    };
    strangers.set(end, release);
    socket.once('close', release);
  };
  return {
    watch(server: Server) {
      if (most > 0) server.on('connection', onConnection);
    },
    vouchFor(socket) {
      if (vouched.has(socket)) return;
      vouched.add(socket);
      strangers.get(endOf(socket))?.();
    },
  };
}
