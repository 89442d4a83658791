import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Maximum of requests that wait on one connection for an earlier answer. Browsers do not pipeline, and libraries that
 * do send a handful.
 */
const maxWaiting = 8;

/**
 * Ends a connection on which too many requests wait. Node starts all requests of one read of the connection in one
 * turn: two thousand requests in 64 KiB would make all other clients wait until each of them has been started.
 */
export function boundPipelining(handle: RequestListener): RequestListener {
  const waiting = new WeakMap<Socket, number>();
  return (request, response) => {
    const { socket } = request;
    if (socket.destroyed) return;
    // Node assigns the socket to one answer at a time: an answer without a socket is waiting.
    if (response.socket === null) {
      const count = (waiting.get(socket) ?? 0) + 1;
      if (count > maxWaiting) return void socket.destroy();
      waiting.set(socket, count);
      response.once('close', () => waiting.set(socket, (waiting.get(socket) ?? 1) - 1));
      // The request starts in a later turn, when the number of waiting requests is known.
      setImmediate(() => {
        if (!socket.destroyed) handle(request, response);
      });
      return;
    }
    handle(request, response);
  };
}
