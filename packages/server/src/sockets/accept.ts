import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { NovaError, toNovaError } from '@novasandbox/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { WebSocketServer } from 'ws';
import { messageSocket, type MessageSocket } from './message-socket.ts';

const maxMessageBytes = 1024 * 1024;
/** 1011: the server failed. 1008: the client sent something invalid, or its credentials were revoked. */
const closeCodes = { failed: 1011, refused: 1008 } as const;

/** The WebSockets of one daemon. */
export interface Sockets {
  /** Keeps the socket of an upgrade until its route has authorised and validated the request. */
  remember(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Completes the handshake, runs the handler, reports its error and closes the socket. */
  accept<C>(
    call: C,
    request: FastifyRequest,
    reply: FastifyReply,
    handle: (call: C, socket: MessageSocket) => Promise<void>,
  ): FastifyReply;
  /**
   * Closes all sockets with 1012 (the server restarts). Clients attach to their commands again at the next daemon.
   */
  closeAll(): void;
  /** Closes the sockets of a principal whose credentials were revoked. */
  closeOf(principal: string): void;
}

export function createSockets(): Sockets {
  const server = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, perMessageDeflate: false });
  const upgrades = new WeakMap<IncomingMessage, { readonly socket: Duplex; readonly head: Buffer }>();
  /** Open sockets with the names of their principals. */
  const open = new Map<MessageSocket, string | undefined>();
  return {
    remember: (request, socket, head) => void upgrades.set(request, { socket, head }),
    accept(call, request, reply, handle) {
      const upgrade = upgrades.get(request.raw);
      if (upgrade === undefined || request.headers.upgrade?.toLowerCase() !== 'websocket') {
        void reply.header('upgrade', 'websocket');
        throw new NovaError('upgrade_required', 'This address accepts only WebSockets.');
      }
      reply.hijack();
      const { socket, head } = upgrade;
      reply.raw.detachSocket(socket as never);
      socket.removeAllListeners('error');
      server.handleUpgrade(request.raw, socket, head, (accepted) => {
        const messages = messageSocket(accepted);
        open.set(messages, request.principal?.name);
        const over = (): void => {
          open.delete(messages);
          request.ended(101);
        };
        messages.signal.addEventListener('abort', over, { once: true });
        handle(call, messages)
          .then(
            () => messages.close(1000),
            async (thrown: unknown) => {
              const { code, message, hint } = toNovaError(thrown);
              request.failure = code;
              const told = code === 'internal' ? 'internal' : message;
              await messages.sendText({ type: 'error', code, message: told, hint });
              messages.close(code === 'invalid_argument' ? closeCodes.refused : closeCodes.failed, code);
            },
          )
          .catch(() => undefined);
      });
      return reply;
    },
    closeAll() {
      for (const socket of open.keys()) socket.close(1012, 'shutting_down');
    },
    closeOf(principal) {
      for (const [socket, name] of open) if (name === principal) socket.close(closeCodes.refused, 'unauthenticated');
    },
  };
}
