import type { IncomingMessage } from 'node:http';

/** A message is small: it has to be here as a whole within the time. */
export function wholeWithin(request: IncomingMessage, limitMs: number): void {
  const timer = setTimeout(() => request.destroy(), limitMs);
  request.once('end', () => clearTimeout(timer));
  request.once('close', () => clearTimeout(timer));
}

/** A file may take as long as it makes progress. */
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
