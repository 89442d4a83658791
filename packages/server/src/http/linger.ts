import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** How long a client that was answered may take to stop sending, ms: until the answer is there and has been read. */
const lingerMs = 5000;

/**
 * To be called before an answer is sent: where the request's body is not there yet, what is left of it is not worth waiting for, and the connection ends with
 * the answer. It is closed in stages (RFC 9112, 9.6): closed at once with something unread, it would be reset, and the client would hear
 * of that instead of the answer. What still comes is thrown away.
 */
export function linger(response: ServerResponse): void {
  const { req: request } = response;
  if (request.complete) return;
  response.setHeader('connection', 'close');
  const { socket } = request;
  // What Node closes with once an answer with `Connection: close` has been sent.
  socket.destroySoon = () => {
    socket.end();
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.once('close', () => clearTimeout(timer));
    // Whoever read the body has given up, and may have left his listener.
    request.removeAllListeners('readable');
    request.resume();
  };
}

/**
 * Says the last on a connection that no HTTP server looks after any more. One whose other side never closes it would
 * stay half open for ever, and count as one of the connections that there may be.
 */
export function hangUp(socket: Duplex, text = ''): void {
  if (socket.destroyed || socket.writableEnded) return;
  socket.end(text);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(timer));
}
