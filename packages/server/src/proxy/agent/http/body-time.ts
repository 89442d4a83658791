import type { IncomingMessage } from 'node:http';

/** Ends a request whose message has not arrived completely within the time. */
export function wholeWithin(request: IncomingMessage, limitMs: number): void {
  const timer = setTimeout(() => request.destroy(), limitMs);
  request.once('end', () => clearTimeout(timer));
  request.once('close', () => clearTimeout(timer));
}

/** Ends a request that sends nothing for `silenceMs`; there is no limit for its total time. */
export function withoutSilence(request: IncomingMessage, silenceMs: number): void {
  const { socket } = request;
  const cut = (): void => void socket.destroy();
  const over = (): void => {
    socket.setTimeout(0);
    socket.off('timeout', cut);
  };
  socket.setTimeout(silenceMs);
  socket.once('timeout', cut);
  request.once('end', over);
  request.once('close', over);
}
