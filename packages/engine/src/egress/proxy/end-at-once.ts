import type { Socket } from 'node:net';

/**
 * Ends a connection at once with a reset, also where the other side does not read what waits to be sent to it. Node's
 * own reset waits until all of it was taken, and keeps the connection until then.
 */
export function endAtOnce(socket: Socket): void {
  if (socket.destroyed) return;
  // A connection whose end is being sent cannot be reset: libuv refuses, and Node would then never close it.
  if (socket.writableEnded && !socket.writableFinished) return void socket.destroy();
  const isWaiting = socket.writableLength > 0;
  socket.resetAndDestroy();
  // It becomes a reset, because that was asked for before.
  if (isWaiting) socket.destroy();
}
