import type { FastifyReply, FastifyRequest } from 'fastify';

/** Returns a signal that aborts when the client disconnects before it gets the answer. */
export function goneSignal(request: FastifyRequest, reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  const { socket } = request.raw;
  // The end of the client's connection is read some turns of the event loop before the connection is closed, which
  // closes the answer.
  const onEnd = (): void => gone.abort();
  socket.once('end', onEnd);
  reply.raw.once('close', () => {
    socket.off('end', onEnd);
    if (!reply.raw.writableFinished) gone.abort();
  });
  return gone.signal;
}
