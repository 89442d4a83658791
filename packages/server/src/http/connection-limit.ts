import type { Server } from 'node:net';
import { sourceOf } from './source.ts';

/** Ends connections at once of which one source has `most` already; 0 for no limit. */
export function limitConnections(server: Server, most: number): void {
  if (most === 0) return;
  const bySource = new Map<string, number>();
  server.on('connection', (socket) => {
    const source = sourceOf(socket.remoteAddress);
    const count = (bySource.get(source) ?? 0) + 1;
    if (count > most) return void socket.destroy();
    bySource.set(source, count);
    socket.once('close', () => {
      const left = (bySource.get(source) ?? 1) - 1;
      if (left > 0) bySource.set(source, left);
      else bySource.delete(source);
    });
  });
}
