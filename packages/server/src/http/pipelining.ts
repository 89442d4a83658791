import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Requests that wait on one connection for the answer to the one before; browsers send none, and libraries that do a
 * handful.
 */
const maxWaiting = 8;

/**
 * Ends a connection on which too many requests wait. Node hands over all that one read of the connection holds in one
 * turn: two thousand requests in 64 KiB would keep everybody else waiting until each of them has been begun.
 */
export function boundPipelining(handle: RequestListener): RequestListener {
  const waiting = new WeakMap<Socket, number>();
  return (request, response) => {
    const { socket } = request;
    if (socket.destroyed) return;
    // Node gives the connection to one answer at a time; the others have none yet.
    if (response.socket === null) {
      const count = (waiting.get(socket) ?? 0) + 1;
      if (count > maxWaiting) return void socket.destroy();
      waiting.set(socket, count);
      response.once('close', () => waiting.set(socket, (waiting.get(socket) ?? 1) - 1));
      // Begun once it is known how many there are.
      setImmediate(() => {
        if (!socket.destroyed) handle(request, response);
      });
      return;
    }
    handle(request, response);
  };
}
