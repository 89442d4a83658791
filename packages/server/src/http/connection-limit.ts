import type { Server, Socket } from 'node:net';
import { sourceOf } from './source.ts';

type Ends = Pick<Socket, 'remoteAddress' | 'remotePort'>;

/** Connections of strangers, by their far ends: over TLS, requests come on another socket than the one that was taken. */
const strangers = new Map<string, () => void>();
const vouched = new WeakSet<Ends>();
const endOf = ({ remoteAddress, remotePort }: Ends): string => `${remoteAddress} ${remotePort}`;

/** Ends connections at once of which one source has `most` already; 0 for no limit. Those that were vouched for do not count. */
export function limitConnections(server: Server, most: number): void {
  if (most === 0) return;
  const bySource = new Map<string, number>();
  server.on('connection', (socket) => {
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
  });
}

/** Valid credentials came on this connection: it is no stranger's. */
export function vouchFor(socket: Ends): void {
  if (vouched.has(socket)) return;
  vouched.add(socket);
  strangers.get(endOf(socket))?.();
}
