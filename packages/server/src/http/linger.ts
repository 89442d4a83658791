import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** How long an answered client may go on sending, ms: long enough for the answer to arrive and be read. */
const lingerMs = 5000;

/**
 * Must be called before an answer is sent. When the body of the request has not arrived completely, its rest is not
 * waited for, and the connection ends with the answer. The connection is closed in stages (RFC 9112, 9.6): closing it
 * at once with unread data would reset it, and the client would see the reset instead of the answer. Data that still
 * arrives is discarded.
 */
export function linger(response: ServerResponse): void {
  const { req: request } = response;
  if (request.complete) return;
  response.setHeader('connection', 'close');
  const { socket } = request;
  // Node calls `destroySoon` after it has sent an answer with `Connection: close`.
  socket.destroySoon = () => {
    socket.end();
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.once('close', () => clearTimeout(timer));
    // The reader of the body has given up, and may have left a listener behind.
    request.removeAllListeners('readable');
    request.resume();
  };
}

/**
 * Sends the last bytes on a connection that no HTTP server manages any more, and closes it. Without the time limit, a
 * connection that its other side never closes would stay half open for ever, and count towards the maximum number of
 * connections.
 */
export function hangUp(socket: Duplex, text = ''): void {
  if (socket.destroyed || socket.writableEnded) return;
  socket.end(text);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(timer));
}
