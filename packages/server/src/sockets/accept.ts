import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { NovaError, toNovaError } from '@novasandbox/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { WebSocketServer } from 'ws';
import { messageSocket, type MessageSocket } from './message-socket.ts';

const maxMessageBytes = 1024 * 1024;
/** 1011: the server could not go on; 1008: what the client sent does not fit, or who it is no longer counts. */
const closeCodes = { failed: 1011, refused: 1008 } as const;

const server = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, perMessageDeflate: false });
const upgrades = new WeakMap<IncomingMessage, { readonly socket: Duplex; readonly head: Buffer }>();
/** Those that are open, and whose they are. */
const open = new Map<MessageSocket, string | undefined>();

/** Remembers what came with an upgrade until its route has authorised and checked the request. */
export function rememberUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  upgrades.set(request, { socket, head });
}

/** The end of a WebSocket route: shakes hands, lets the handler talk, says what went wrong, closes. */
export async function acceptSocket<C>(
  call: C,
  request: FastifyRequest,
  reply: FastifyReply,
  handle: (call: C, socket: MessageSocket) => Promise<void>,
): Promise<unknown> {
  const upgrade = upgrades.get(request.raw);
  if (upgrade === undefined || request.headers.upgrade?.toLowerCase() !== 'websocket') {
    void reply.header('upgrade', 'websocket');
    throw new NovaError('upgrade_required', 'This is a WebSocket.');
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
          await messages.sendText({ type: 'error', code, message: code === 'internal' ? 'internal' : message, hint });
          messages.close(code === 'invalid_argument' ? closeCodes.refused : closeCodes.failed, code);
        },
      )
      .catch(() => undefined);
  });
  return reply;
}

/** 1012: the server restarts. Clients that were attached to commands attach to them again at the daemon that follows. */
export function closeAllSockets(): void {
  for (const socket of open.keys()) socket.close(1012, 'shutting_down');
}

/** Of a principal whose credentials were taken back. */
export function closeSocketsOf(principal: string): void {
  for (const [socket, name] of open) if (name === principal) socket.close(closeCodes.refused, 'unauthenticated');
}
