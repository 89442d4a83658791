import type { FastifyReply, FastifyRequest } from 'fastify';

/** Aborted when the client has gone before it was answered. */
export function goneSignal(request: FastifyRequest, reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  const { socket } = request.raw;
  // The client's end of the connection is heard of some turns before the connection has been taken down, which closes the answer.
  const onEnd = (): void => gone.abort();
  socket.once('end', onEnd);
  reply.raw.once('close', () => {
    socket.off('end', onEnd);
    if (!reply.raw.writableFinished) gone.abort();
  });
  return gone.signal;
}
